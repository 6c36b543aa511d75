/** The histograms of a direction: gates down, matrices across. */

import { keyOfRun, type ShownRun, shownRuns } from "../../state/catalogue";
import { differences, stepsOfDifference, stepText } from "../../state/columns";
import { runColour } from "../../state/names";
import { targetStep } from "../../state/series";
import { RunName } from "../run_heading";
import { type Group, panelsOf, type Section } from "./arrangement";
import { drawsDifferences } from "./differences";
import { HistogramFigure } from "./histogram_panel";
import { matrixText } from "./wording";

function stepsOf(group: Group): ReadonlyMap<string, number> {
  const traces = panelsOf(group).flatMap((panel) => panel.traces);
  return new Map(traces.map(({ run, frames }) => [run.key, frames[0].step]));
}

/** What is taken away from what, each with its step. */
function DifferenceLegend({ group }: { group: Group }) {
  const steps = stepsOf(group);
  const stepOf = ({ run, moment }: ShownRun) => steps.get(keyOfRun(run, moment));
  return (
    <div class="histogram-legend">
      {differences.value.map((column) => {
        const step = stepOf(column);
        const { minus } = column;
        const minusStep = minus === null ? undefined : stepOf(minus);
        return step === undefined || minus === null || minusStep === undefined ? null : (
          <span key={column.key} class="run-heading">
            <RunName run={column} />
            {minus.run === column.run ? null : (
              <>
                <span>{"\u2212"}</span>
                <RunName run={minus} />
              </>
            )}
            <span class="quiet">
              {stepText(stepsOfDifference({ run: column.run, step }, { run: minus.run, step: minusStep }))}
            </span>
          </span>
        );
      })}
    </div>
  );
}

/** The runs that are overlaid, each with its step. */
function Legend({ group }: { group: Group }) {
  const steps = stepsOf(group);
  return (
    <div class="histogram-legend">
      {shownRuns.value.map((run) => {
        const step = steps.get(run.key);
        return step === undefined ? null : (
          <span key={run.key} class={`run-heading ${run.moment}`}>
            <RunName run={run} />
            <span class="quiet">
              step {step}
              {step === targetStep(run) ? "" : " (its nearest)"}
              {run.moment === "earlier" ? ", dashed" : ""}
            </span>
          </span>
        );
      })}
    </div>
  );
}

function Heading({ group }: { group: Group }) {
  const { run, direction } = group;
  return (
    <h2 class="histogram-heading">
      {run === null ? null : (
        <>
          <span class="dot" style={{ background: runColour(run.position) }} />
          <bdi class="run-name">{run.run}</bdi>
        </>
      )}
      <span class={run === null ? "" : "quiet"}>{direction}</span>
    </h2>
  );
}

function SectionOfHistograms({ section }: { section: Section }) {
  const { matrices, rows } = section;
  const hasGates = rows.some(({ gate }) => gate !== "");
  const columns = `${hasGates ? "72px " : ""}repeat(${matrices.length}, minmax(0, 1fr))`;
  return (
    <div class="histogram-grid" style={{ gridTemplateColumns: columns }}>
      {hasGates ? <span /> : null}
      {matrices.map((matrix) => (matrix === "" ? <span key={matrix} /> : <h3 key={matrix}>{matrixText(matrix)}</h3>))}
      {rows.map(({ gate, panels }) => [
        hasGates ? (
          <span key={gate} class="histogram-gate" title={`${gate} gate`}>
            {gate}
          </span>
        ) : null,
        ...panels.map((panel, i) =>
          panel === null ? (
            <span key={`${gate} ${matrices[i]}`} class="absent">
              no {gate} gate here
            </span>
          ) : (
            <HistogramFigure key={panel.key} panel={panel} />
          ),
        ),
      ])}
    </div>
  );
}

export function GroupOfHistograms({ group }: { group: Group }) {
  return (
    <section class="histogram-group">
      <Heading group={group} />
      {group.run === null ? drawsDifferences() ? <DifferenceLegend group={group} /> : <Legend group={group} /> : null}
      {group.sections.map((section) => (
        <SectionOfHistograms key={section.matrices.join()} section={section} />
      ))}
    </section>
  );
}
