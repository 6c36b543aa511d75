/** The name of a run, above what is drawn of it. */

import { type ComponentChildren } from "preact";
import { type LoadedArray } from "../state/arrays";
import { layerName, type ShownRun } from "../state/catalogue";
import { stepText } from "../state/columns";
import { runColour } from "../state/names";
import { panels } from "../state/panels";
import { targetStep } from "../state/series";

/** What a run's drawings show: the newest of its arrays, while the others are on their way. */
function shownArray({ key }: ShownRun): LoadedArray | null {
  const own = panels.value.filter((panel) => panel.run.key === key && panel.array !== null);
  const there = own.find(({ stale }) => !stale) ?? own.at(0);
  return there?.array ?? null;
}

/** The step that a run's drawings show. */
export function stepOf(run: ShownRun): number | null {
  return shownArray(run)?.step ?? null;
}

/** Whether a step is shown for want of the one that was meant. */
function isNearest(run: ShownRun, step: number, minusStep: number | undefined): boolean {
  const { minus } = run;
  return step !== targetStep(run) || (minus !== null && minusStep !== undefined && minusStep !== targetStep(minus));
}

/** Its layer is named where that is not the chosen one. */
export function RunName({ run }: { run: Pick<ShownRun, "run" | "position" | "layer"> }) {
  const { layer } = run.layer;
  return (
    <>
      <span class="dot" style={{ background: runColour(run.position) }} />
      <span class="run-name" title={run.run}>
        <bdi>{run.run}</bdi>
      </span>
      {layer === layerName.value ? null : <span class="quiet">{layer}</span>}
    </>
  );
}

interface RunHeadingProps {
  run: ShownRun;
  step: number | null;
  children?: ComponentChildren;
}

/** Stays in sight while the run's drawings are scrolled. */
export function RunHeading({ run, step, children }: RunHeadingProps) {
  const isStale = panels.value.some((panel) => panel.run.key === run.key && panel.stale);
  const minusStep = shownArray(run)?.minusStep;
  const { minus } = run;
  return (
    <div class="run-heading">
      <RunName run={run} />
      {minus === null || minus.run === run.run ? null : (
        <>
          <span>{"\u2212"}</span>
          <RunName run={minus} />
        </>
      )}
      <span class="quiet">
        {step === null ? "" : stepText({ step, ...(minusStep === undefined ? {} : { minusStep }) })}
        {step === null || isStale || !isNearest(run, step, minusStep) ? "" : " (its nearest)"}
      </span>
      {children}
    </div>
  );
}
