/** Which of a run's steps are drawn when all of them are looked at together. */

import { nearestStep } from "../../state/steps";

/**
 * At most about `most` of the steps, evenly. Every other one is dropped until few enough are left, so that as a run goes
 * on the steps that were fetched stay in use; the last one is always among them.
 */
export function thinnedSteps(steps: readonly number[], most: number): number[] {
  let stride = 1;
  while (steps.length / stride > most) stride *= 2;
  return steps.filter((_, i) => i % stride === 0 || i === steps.length - 1);
}

/** The same, with the step that is looked at. */
export function withStep(thinned: readonly number[], steps: readonly number[], step: number | null): number[] {
  const nearest = step === null ? null : nearestStep(steps, step);
  if (nearest === null || thinned.includes(nearest)) return [...thinned];
  return [...thinned, nearest].sort((a, b) => a - b);
}
