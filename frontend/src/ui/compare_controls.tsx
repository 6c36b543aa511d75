/** What stands beside what is looked at: an earlier step, and whether one is taken away from the other. */

import { shownRuns } from "../state/catalogue";
import { choices, choose, type Subtrahend } from "../state/choices";
import { earlierStep, keptSteps } from "../state/series";
import { Select } from "./controls";

function chooseEarlier(value: string): void {
  const earlier = value === "" || value === "first" ? (value === "" ? null : value) : Number(value);
  // Without a second step there is nothing to be taken away.
  choose(earlier === null && choices.value.minus === "earlier" ? { earlier, minus: null } : { earlier });
}

function EarlierStep() {
  const steps = keptSteps.value;
  const { earlier } = choices.value;
  if (steps.length < 2 && earlier === null) return null;
  const text = typeof earlier === "number" ? String(earlierStep.value ?? earlier) : (earlier ?? "");
  return (
    <Select
      id="earlier"
      label="Compare with step"
      title={
        "Show each run twice, at this step and at the one that is looked at, to see what training changed; " +
        "of a run without that step, the nearest"
      }
      value={text}
      options={[
        ["", "no other step"],
        ["first", `the first (${steps.at(0) ?? "none"})`],
        ...steps.map((step): [string, string] => [String(step), String(step)]),
      ]}
      onChange={chooseEarlier}
    />
  );
}

const runPrefix = "run:";

function subtrahendText(minus: Subtrahend | null): string {
  return minus === null ? "" : minus === "earlier" ? minus : runPrefix + minus.run;
}

function chooseSubtrahend(value: string): void {
  const run = value.startsWith(runPrefix) ? { run: value.slice(runPrefix.length) } : null;
  choose({ minus: value === "earlier" ? value : run });
}

/** "gru \u2212 lstm", where there is one other; of several each is meant. */
function differenceText(run: string, all: readonly string[]): string {
  const others = all.filter((other) => other !== run);
  return `${others.length === 1 ? others[0] : "each run"} \u2212 ${run}`;
}

function DifferenceSelect() {
  const runs = [...new Set(shownRuns.value.map(({ run }) => run))];
  const { earlier, minus } = choices.value;
  const options: [string, string][] = [
    ["", "none"],
    ...(earlier === null ? [] : [["earlier", `this step \u2212 step ${earlierStep.value ?? ""}`] as [string, string]]),
    ...(runs.length < 2 ? [] : runs.map((run): [string, string] => [runPrefix + run, differenceText(run, runs)])),
  ];
  if (options.length < 2 && minus === null) return null;
  const chosen = subtrahendText(minus);
  // The run that is taken away may have been taken off the screen since, or all the others.
  if (minus !== null && !options.some(([value]) => value === chosen)) {
    const text = minus === "earlier" ? "this step \u2212 another" : differenceText(minus.run, runs);
    options.push([chosen, `${text}, not possible here`]);
  }
  return (
    <Select
      id="minus"
      label="Difference"
      title={
        "Show what is left when one run, or the other step, is taken away: for differences too small to be seen side by side. " +
        "The arrays must have equal shapes"
      }
      value={chosen}
      options={options}
      onChange={chooseSubtrahend}
    />
  );
}

export function CompareControls() {
  return (
    <>
      <EarlierStep />
      <DifferenceSelect />
    </>
  );
}
