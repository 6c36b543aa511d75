/**
 * Columns are runs, rows are samples or matrices. Runs that do not fit beside each other go on in a block below. Of one run
 * alone, samples are in several columns under its heading.
 */

import { quantity, type ShownRun } from "../../state/catalogue";
import { columns } from "../../state/columns";
import { items, panels } from "../../state/panels";
import { RunHeading, stepOf } from "../run_heading";
import { HeatmapPanel } from "./heatmap_panel";
import { type GridLayout } from "./layout";

interface BlockProps {
  runs: ShownRun[];
  across: number;
  columnWidth: number;
}

function Block({ runs, across, columnWidth }: BlockProps) {
  const template = { gridTemplateColumns: `repeat(${runs.length * across}, ${columnWidth}px)` };
  const steps = runs.map(stepOf);
  const panelOf = ({ key }: ShownRun, item: string) =>
    panels.value.find((candidate) => candidate.run.key === key && candidate.item === item);
  const isAbsent = (item: string) => runs.every((run) => typeof panelOf(run, item)?.missing === "string");
  const absent = items.value.length > 1 && quantity.value?.kind === "matrices" ? items.value.filter(isAbsent) : [];
  return (
    <section class="block">
      <div class="run-headings" style={across > 1 ? {} : template}>
        {runs.map((run, i) => (
          <RunHeading key={run.key} run={run} step={steps[i]} />
        ))}
      </div>
      <div class="grid" style={template}>
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
  const runs = columns.value;
  const blocks = Array.from({ length: Math.ceil(runs.length / layout.columns) }, (_, block) =>
    runs.slice(block * layout.columns, (block + 1) * layout.columns),
  );
  if (items.value.length === 0) return null;
  return (
    <div class="grid-blocks">
      {blocks.map((block) => (
        <Block key={block.map(({ key }) => key).join()} runs={block} across={layout.across} columnWidth={columnWidth} />
      ))}
    </div>
  );
}
