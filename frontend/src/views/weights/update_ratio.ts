/** By what share of its norm a matrix moves in a step, and the axis on which that is drawn. */

import { type Scale } from "../../drawing/colour_scale";
import { type StepPoint } from "../../drawing/step_curve";
import { valueAxis, type ValueAxis } from "../../drawing/value_axis";
import { type StatisticsOfRun } from "../../state/statistics";

/** The share that is usual; what is far from it is worth a look. */
export const usualRatio = 1e-3;

export const usualMeaning =
  "About 1e-3 a step is usual, says Stanford\u2019s course CS231n (\u201cRatio of weights:updates\u201d): far below, the learning " +
  "rate may be too low; far above, too high. It is a rule of thumb, not a limit.";

/** What was measured of whole matrices in place of their gates. */
export function ofMatrices(statistics: readonly StatisticsOfRun[]): StatisticsOfRun[] {
  return statistics.map((one) => ({
    ...one,
    steps: one.steps.map(({ step, matrices }) => ({ step, matrices, blocks: matrices })),
  }));
}

/** Of a decade: what lies nearer to an edge would run along it. */
const margin = 0.2;

/** From one power of ten to another, all ratios above zero and the usual one between them. */
export function ratioAxis(points: readonly StepPoint[]): ValueAxis {
  const ratios = points.flatMap(({ value }) => (value === null || value <= 0 ? [] : [value]));
  const low = ratios.reduce((a, b) => Math.min(a, b), usualRatio);
  const high = ratios.reduce((a, b) => Math.max(a, b), usualRatio);
  const [bottom, top] = [Math.floor(Math.log10(low) - margin), Math.ceil(Math.log10(high) + margin)];
  const [least, limit] = [bottom, top].map((exponent) => Number(`1e${exponent}`));
  const scale: Scale = { kind: "log", decades: top - bottom, limit, low: least, high: limit };
  return valueAxis(scale, false);
}
