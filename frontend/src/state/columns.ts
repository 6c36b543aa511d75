/** What stands beside each other: the shown runs as they are, or what is left of each when another is taken away. */

import { computed } from "@preact/signals";
import { type ShownRun, shownRuns } from "./catalogue";
import { choices, type Subtrahend } from "./choices";

/** What is taken away from a run; undefined where that is not shown, and for the subtrahend itself. */
function subtrahendOf(run: ShownRun, minus: Subtrahend): ShownRun | undefined {
  if (minus === "earlier") {
    if (run.moment === "earlier") return undefined;
    return shownRuns.value.find((other) => other.run === run.run && other.moment === "earlier");
  }
  if (run.run === minus.run) return undefined;
  return shownRuns.value.find((other) => other.run === minus.run && other.moment === run.moment);
}

export const differences = computed<ShownRun[]>(() => {
  const { minus } = choices.value;
  if (minus === null) return [];
  return shownRuns.value.flatMap((run) => {
    const taken = subtrahendOf(run, minus);
    return taken === undefined ? [] : [{ ...run, key: `${run.key}//minus//${taken.key}`, minus: taken }];
  });
});

/** The differences; without two runs or two steps to be subtracted, the runs as they are. */
export const columns = computed<ShownRun[]>(() =>
  differences.value.length === 0 ? shownRuns.value : differences.value,
);

export const areDifferences = computed(() => differences.value.length > 0);

/** "lstm", "lstm \u2212 gru". A difference of two steps has the run's name alone: its step says the rest. */
export function columnName({ run, minus }: ShownRun): string {
  return minus === null || minus.run === run ? run : `${run} \u2212 ${minus.run}`;
}

interface Stepped {
  step: number;
  /** That of what is taken away, where it is to be said. */
  minusStep?: number;
}

interface RunAtStep {
  run: string;
  step: number;
}

/**
 * What is said of the steps of two that are subtracted: of two runs at one step, that one. Of a run taken away from itself
 * the steps are all that tells its difference from its values.
 */
export function stepsOfDifference(one: RunAtStep, other: RunAtStep): Stepped {
  const { step } = one;
  return one.run !== other.run && step === other.step ? { step } : { step, minusStep: other.step };
}

/** "step 30", "step 30 \u2212 step 0". */
export function stepText({ step, minusStep }: Stepped): string {
  return minusStep === undefined ? `step ${step}` : `step ${step} \u2212 step ${minusStep}`;
}

/** The name of a column where it stands among others: with its step where a run has two. */
export function nameAmongOthers(run: ShownRun, array: Stepped | null): string {
  return array === null || choices.value.earlier === null ? columnName(run) : `${columnName(run)}, ${stepText(array)}`;
}
