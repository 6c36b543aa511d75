/** How the norms of a gate's channels are spread, as the light summaries say it. */

import { numberText } from "../../drawing/number_text";
import { type Block } from "../../state/statistics";

export interface Spread {
  least: number;
  /** Four fifths of the channels lie between these. */
  low: number;
  median: number;
  high: number;
  largest: number;
}

/** null where no channel is finite, or nothing was recorded of them. */
export function spreadOf({ channel_norms: norms }: Block): Spread | null {
  if (norms === null || norms === undefined) return null;
  const [least, low, median, high, largest] = norms;
  return { least, low, median, high, largest };
}

/** Whether the step was written before norms of channels were: what is finite has them else. */
export function isUnrecorded({ channel_norms: norms, l2_norm: norm, nan = 0, inf = 0 }: Block): boolean {
  return (norms === null || norms === undefined) && norm !== null && nan + inf === 0;
}

export function spreadText({ least, low, median, high, largest }: Spread): string {
  const [ends, most] = [
    [least, largest],
    [low, high],
  ].map((pair) => pair.map((value) => numberText(value, 4)).join(" to "));
  return `median ${numberText(median)}, 80% within ${most}, all within ${ends}`;
}

/** As they are taken away. */
export const spreadNames = ["least", "quantile_10", "median", "quantile_90", "largest"] as const;

export function spreadNumbers({ channel_norms: norms }: Block): readonly (number | null)[] {
  return norms ?? spreadNames.map(() => null);
}
