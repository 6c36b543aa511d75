/** Hands a file to the browser, which puts it where its downloads go. */

/** A download that was begun reads its address a moment later. */
const revokeAfter = 60_000;

export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  window.setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, revokeAfter);
}
