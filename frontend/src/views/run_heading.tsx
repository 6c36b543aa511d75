/** The name of a run, above what is drawn of it. */

import { type ComponentChildren } from "preact";
import { type ShownRun } from "../state/catalogue";
import { runColour } from "../state/names";
import { panels } from "../state/panels";
import { snappedStep } from "../state/series";

/** The step that a run's drawings show: that of the newest of them, while the others are on their way. */
export function stepOf({ run }: ShownRun): number | null {
  const own = panels.value.filter((panel) => panel.run.run === run && panel.array !== null);
  const there = own.find(({ stale }) => !stale) ?? own.at(0);
  return there?.array?.step ?? null;
}

interface RunHeadingProps {
  run: ShownRun;
  step: number | null;
  children?: ComponentChildren;
}

/** Stays in sight while the run's drawings are scrolled. */
export function RunHeading({ run, step, children }: RunHeadingProps) {
  const isStale = panels.value.some((panel) => panel.run.run === run.run && panel.stale);
  const nearest = step !== null && !isStale && step !== snappedStep.value;
  return (
    <div class="run-heading">
      <span class="dot" style={{ background: runColour(run.position) }} />
      <span class="run-name" title={run.run}>
        <bdi>{run.run}</bdi>
      </span>
      <span class="quiet">
        {step === null ? "" : `step ${step}`}
        {nearest ? " (its nearest)" : ""}
      </span>
      {children}
    </div>
  );
}
