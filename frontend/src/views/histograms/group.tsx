/** The histograms of a direction: gates down, matrices across. */

import { shownRuns } from "../../state/catalogue";
import { runColour } from "../../state/names";
import { snappedStep } from "../../state/series";
import { type Group, panelsOf, type Section } from "./arrangement";
import { HistogramFigure } from "./histogram_panel";
import { matrixText } from "./wording";

/** The runs that are overlaid, each with its step. */
function Legend({ group }: { group: Group }) {
  const traces = panelsOf(group).flatMap((panel) => panel.traces);
  const steps = new Map(traces.map(({ run, frames }) => [run.run, frames[0].step]));
  return (
    <div class="histogram-legend">
      {shownRuns.value.map(({ run, position }) => {
        const step = steps.get(run);
        return step === undefined ? null : (
          <span key={run} class="run-heading">
            <span class="dot" style={{ background: runColour(position) }} />
            <span class="run-name" title={run}>
              <bdi>{run}</bdi>
            </span>
            <span class="quiet">
              step {step}
              {step === snappedStep.value ? "" : " (its nearest)"}
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
      {matrices.map((matrix) => (
        <h3 key={matrix}>{matrixText(matrix)}</h3>
      ))}
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
      {group.run === null ? <Legend group={group} /> : null}
      {group.sections.map((section) => (
        <SectionOfHistograms key={section.matrices.join()} section={section} />
      ))}
    </section>
  );
}
