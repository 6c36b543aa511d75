/** Limits of a colour scale, as a person types them: "0.5", "1e-3", "-1 to 2", "0, 1". */

export interface TypedLimits {
  low: number;
  high: number;
  /** Two numbers make a range, with zero wherever it falls; one is the same on both sides of zero. */
  isRange: boolean;
}

export interface ReadLimits {
  /** null where nothing was typed, or nothing that makes sense. */
  limits: TypedLimits | null;
  complaint: string;
}

const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function readLimits(text: string): ReadLimits {
  const parts = text
    .replace(/[\u2212\u2013]/g, "-")
    .trim()
    .split(/\s*(?:\bto\b|,|;|\u2026|\.\.\.?)\s*|\s+/)
    .filter((part) => part !== "");
  if (parts.length === 0) return { limits: null, complaint: "" };
  const [first, second] = parts.map(Number);
  const areNumbers = parts.every((part) => number.test(part) && Number.isFinite(Number(part)));
  if (areNumbers && parts.length === 1 && first !== 0) {
    const limit = Math.abs(first);
    return { limits: { low: -limit, high: limit, isRange: false }, complaint: "" };
  }
  if (areNumbers && parts.length === 2 && first !== second) {
    return { limits: { low: Math.min(first, second), high: Math.max(first, second), isRange: true }, complaint: "" };
  }
  return { limits: null, complaint: "Write one number, as 0.5 for \u22120.5 to 0.5, or two, as \u22121 to 2." };
}
