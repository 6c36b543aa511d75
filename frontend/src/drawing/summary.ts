/** What a scale must know of an array. */

import { type Cells, numberOf } from "./picture";

export interface FiniteSummary {
  /** The smallest and the largest finite value; null when there is none. */
  low: number | null;
  high: number | null;
}

/** One NaN must not turn the limits into NaN: only finite cells count. */
export function summarise(cells: Cells): FiniteSummary {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < cells.length; i++) {
    const value = numberOf(cells, i);
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return low <= high ? { low, high } : { low: null, high: null };
}
