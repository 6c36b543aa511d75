/** Columns are runs, rows are samples or matrices. Runs that do not fit beside each other go on in a block below. */

import { quantity, shownRuns, type ShownRun } from "../../state/catalogue";
import { items, panels } from "../../state/panels";
import { RunHeading, stepOf } from "../run_heading";
import { HeatmapPanel } from "./heatmap_panel";
import { type GridLayout } from "./layout";

function Block({ runs, columnWidth }: { runs: ShownRun[]; columnWidth: number }) {
  const columns = { gridTemplateColumns: `repeat(${runs.length}, ${columnWidth}px)` };
  const steps = runs.map(stepOf);
  const panelOf = ({ run }: ShownRun, item: string) =>
    panels.value.find((candidate) => candidate.run.run === run && candidate.item === item);
  const isAbsent = (item: string) => runs.every((run) => typeof panelOf(run, item)?.missing === "string");
  const absent = items.value.length > 1 && quantity.value?.kind === "matrices" ? items.value.filter(isAbsent) : [];
  return (
    <section class="block">
      <div class="run-headings" style={columns}>
        {runs.map((run, i) => (
          <RunHeading key={run.run} run={run} step={steps[i]} />
        ))}
      </div>
      <div class="grid" style={columns}>
        {items.value
          .filter((item) => !absent.includes(item))
          .flatMap((item) =>
            runs.map((run, i) => {
              const panel = panelOf(run, item);
              return panel === undefined ? null : <HeatmapPanel key={panel.key} panel={panel} step={steps[i]} />;
            }),
          )}
      </div>
      {absent.length === 0 ? null : <p class="absent">no {absent.join(", ")} here</p>}
    </section>
  );
}

export function Grid({ layout, columnWidth }: { layout: GridLayout; columnWidth: number }) {
  const runs = shownRuns.value;
  const blocks = Array.from({ length: Math.ceil(runs.length / layout.columns) }, (_, block) =>
    runs.slice(block * layout.columns, (block + 1) * layout.columns),
  );
  if (items.value.length === 0) return null;
  return (
    <div class="grid-blocks">
      {blocks.map((block) => (
        <Block key={block.map(({ run }) => run).join()} runs={block} columnWidth={columnWidth} />
      ))}
    </div>
  );
}
