/** What the drawings are called, and what is said of their values. */

import { numberText, several } from "../../drawing/number_text";
import { type Cells, numberOf } from "../../drawing/picture";
import { columnName, stepText } from "../../state/columns";
import { quantityPhrase } from "../../state/names";
import { cellText, nonFiniteText } from "../heatmap/wording";
import { type Distribution, type Distributions, type Dots } from "./scene";

export interface Counts {
  low: number | null;
  high: number | null;
  nan: number;
  inf: number;
}

function take(counts: Counts, cells: Cells, channel: number): void {
  const value = numberOf(cells, channel);
  if (Number.isNaN(value)) counts.nan++;
  else if (!Number.isFinite(value)) counts.inf++;
  else {
    counts.low = Math.min(counts.low ?? value, value);
    counts.high = Math.max(counts.high ?? value, value);
  }
}

/** The ends of what is drawn, and how much of it could not be. */
export function countsOf({ samples, channels }: Dots): Counts {
  const counts: Counts = { low: null, high: null, nan: 0, inf: 0 };
  for (const { array } of samples) for (const channel of channels) take(counts, array.cells, channel);
  return counts;
}

/** "gru, step 400, decoder output gradient: 32 channels, 2 samples each, from −2e-3 to 3e-3, 1 NaN". */
export function dotsLabel(dots: Dots): string {
  const [{ array }] = dots.samples;
  const counts = countsOf(dots);
  const { low, high } = counts;
  const values =
    low === null || high === null ? "nothing finite" : `from ${numberText(low, 2)} to ${numberText(high, 2)}`;
  const what = `${several(dots.channels.length, "channel")}, ${several(dots.samples.length, "sample")} each`;
  const found = [what, values, nonFiniteText(counts)].filter((part) => part !== "").join(", ");
  return `${columnName(dots.run)}, ${stepText(array)}, ${array.layer} ${quantityPhrase(array.quantity)}: ${found}`;
}

/** What tells a distribution from the one that it is held against: its step, or its run. */
export function distinction(one: Distribution, other: Distribution | null): string {
  return other === null || other.run === one.run ? `step ${one.step}` : `${one.run}, step ${one.step}`;
}

/** "gru: distribution of 192 values at step 400, against step 0". */
export function distributionLabel(run: string, { own, against }: Distributions): string {
  const values = own === null ? "nothing at no step" : `${several(own.count, "value")} at step ${own.step}`;
  return `${run}: distribution of ${values}${against === null ? "" : `, against ${distinction(against, own)}`}`;
}

/** "sample 1, channel 17, last timestep". */
export function dotText({ run, samples }: Dots, sample: number, channel: number): string | null {
  const found = samples.find((one) => one.sample === sample);
  if (found === undefined || channel >= found.array.full_shape[1]) return null;
  return `sample ${sample}, ${cellText(run, found.array, [0, 0], [channel, channel])}`;
}

/** null where the run has no such dot. */
export function dotValue({ samples }: Dots, sample: number, channel: number): string | null {
  const array = samples.find((one) => one.sample === sample)?.array;
  if (array === undefined || channel >= array.shape[1]) return null;
  const value = numberOf(array.cells, channel);
  return array.dtype === "float32" ? numberText(value) : `about ${numberText(value, 3)}`;
}
