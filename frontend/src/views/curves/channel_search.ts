/** Channels by number and range, as typed: "0-15, 40". */

export interface FoundChannels {
  /** Ascending, each once. */
  channels: number[];
  /** What of the text could not be used, in a sentence; "" when all could. */
  complaint: string;
}

const part = /^\d{1,9}(?:-\d{1,9})?$/;

/** The channels below `count` that the text names; all of them when it is empty. */
export function findChannels(text: string, count: number): FoundChannels {
  const all = Array.from({ length: count }, (_, channel) => channel);
  const parts = text
    .replace(/\s*[-\u2013]\s*/g, "-")
    .split(/[,;\s]+/)
    .filter((raw) => raw !== "");
  if (parts.length === 0) return { channels: all, complaint: "" };
  const found = new Set<number>();
  const complaints: string[] = [];
  for (const raw of parts) {
    if (!part.test(raw)) {
      complaints.push(`\u201c${raw}\u201d is no channel: write numbers and ranges, as in 0-15, 40.`);
      continue;
    }
    const ends = raw.split("-").map(Number);
    ends.sort((a, b) => a - b);
    if (ends[0] >= count && count > 0) complaints.push(`There is no channel ${raw}: the last is ${count - 1}.`);
    for (let channel = ends[0]; channel <= Math.min(ends[ends.length - 1], count - 1); channel++) found.add(channel);
  }
  return { channels: [...found].sort((a, b) => a - b), complaint: complaints.at(0) ?? "" };
}
