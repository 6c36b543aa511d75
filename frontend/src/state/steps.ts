/** Arithmetic of steps: which of them to show when not every run has every step. */

/** All the steps of several ascending lists, ascending. */
export function unionOfSteps(lists: readonly (readonly number[])[]): number[] {
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}

/** The entry nearest to a step, by index; the earlier of two that are equally near; −1 in an empty list. */
export function nearestIndex(steps: readonly number[], step: number): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return steps.length === 0 ? -1 : 0;
  return low < steps.length && steps[low] - step < step - steps[low - 1] ? low : low - 1;
}

export function nearestStep(steps: readonly number[], step: number): number | null {
  const found = nearestIndex(steps, step);
  return found < 0 ? null : steps[found];
}

/** The next of the steps before (−1) or after (+1) a step; the step's own end of the list when there is none. */
export function neighbour(steps: readonly number[], step: number, direction: 1 | -1): number | null {
  if (direction > 0) return steps.find((candidate) => candidate > step) ?? steps.at(-1) ?? null;
  return steps.findLast((candidate) => candidate < step) ?? steps.at(0) ?? null;
}
