/** Names of files that say what is in them. */

const longest = 200;

/** What every system allows in the name of a file, and no shell has a use for. */
function plain(part: string): string {
  return part
    .replaceAll("\u2212", "minus")
    .replaceAll("/", "-")
    .replace(/[^\p{L}\p{N}._=+-]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "");
}

/** "lstm_encoder-bilstm_output-gradient_step30_sample0.npy". */
export function fileName(parts: readonly string[], extension: string): string {
  const name = parts
    .map(plain)
    .filter((part) => part !== "")
    .join("_");
  return `${name.slice(0, longest) || "rnn"}.${extension}`;
}
