/** Numbers as they are written on the screen: U+2212 for minus, as on paper, and never more digits than asked for. */

const minus = "\u2212";

function signed(value: number, text: string): string {
  return value < 0 || Object.is(value, -0) ? minus + text : text;
}

/** A value to so many significant digits; with an exponent when it is very small or large. */
export function numberText(value: number, digits = 5): string {
  if (Number.isNaN(value)) return "NaN";
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return signed(value, "Inf");
  if (magnitude === 0) return "0";
  if (magnitude >= 1e-3 && magnitude < 1e5) return signed(value, String(Number(magnitude.toPrecision(digits))));
  return signed(value, exponentText(magnitude, digits));
}

/** Larger whole numbers are hardly counts. */
const largestCount = 1e9;

/** What may be a count, which is written to its last digit; any other value to so many significant digits. */
export function measuredText(value: number, digits = 5): string {
  const isCount = Number.isInteger(value) && value >= 0 && value < largestCount;
  return isCount ? String(value) : numberText(value, digits);
}

/** Eight digits tell every float32 from the next one. */
const mostDigits = 8;

/** One of several numbers that are so far apart: with as many digits as tell them from each other. */
export function spacedText(value: number, apart: number): string {
  const digits = Math.ceil(Math.log10(Math.abs(value) / apart)) + 2;
  return numberText(value, Math.min(mostDigits, Math.max(3, digits)));
}

function exponentText(magnitude: number, digits: number): string {
  const [mantissa, exponent] = magnitude.toExponential(digits - 1).split("e");
  return `${Number(mantissa)}e${Number(exponent)}`;
}

/** A share in percent: neither none nor all of something is ever written where it is only nearly so. */
export function percentText(share: number): string {
  if (share <= 0) return "0%";
  if (share >= 1) return "100%";
  const percent = share * 100;
  if (percent < 0.01) return "<0.01%";
  if (percent > 99) return `${Math.min(99.99, Math.floor(percent * 100) / 100)}%`;
  return `${Number(percent.toPrecision(2))}%`;
}

/** "1 sample", "3 samples". */
export function several(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** A range of indices: "17", "16–19". */
export function rangeText([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}\u2013${last}`;
}

/** Indices in short: 0, 1, 2, 5 becomes "0–2, 5". */
export function indicesText(indices: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const index of indices.toSorted((a, b) => a - b)) {
    const open = parts.at(-1);
    if (open?.[1] === index - 1) open[1] = index;
    else parts.push([index, index]);
  }
  return parts.map(rangeText).join(", ");
}
