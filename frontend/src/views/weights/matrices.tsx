/** Kernel above bias, the recurrent kernel beside both: a block for each direction of each run. */

import { percentText } from "../../drawing/number_text";
import { type Panel } from "../../state/panels";
import { HeatmapPanel } from "../heatmap/heatmap_panel";
import { nonFiniteText } from "../histograms/wording";
import { RunHeading, stepOf } from "../run_heading";
import { type WeightsLayout } from "./layout";
import { type MatrixBlock, matrixBlocks, matrixOf, notFinite } from "./scene";

/** "forget gate: 2 NaN of 24 (8.3%)": where in a matrix the numbers end. */
function GateNotes({ panel }: { panel: Panel }) {
  const found = notFinite(panel);
  if (found.length === 0) return null;
  return (
    <ul class="gate-notes">
      {found.map((block) => (
        <li
          key={block.gate}
          title={`${percentText(((block.nan ?? 0) + (block.inf ?? 0)) / (block.count ?? 1))} are not finite`}
        >
          {block.gate === "" ? "" : `${block.gate} gate: `}
          {nonFiniteText(block)}
        </li>
      ))}
    </ul>
  );
}

function Block({ block, layout }: { block: MatrixBlock; layout: WeightsLayout }) {
  const step = stepOf(block.run);
  return (
    <section class="matrix-block">
      <RunHeading run={block.run} step={step}>
        <span>{block.direction}</span>
      </RunHeading>
      <div class="matrices" style={{ gridTemplateColumns: `repeat(${layout.tall}, ${layout.column}px)` }}>
        {block.panels.map((panel) => (
          <div key={panel.key} class={matrixOf(panel) === "recurrent_kernel" && layout.tall > 1 ? "beside-two" : ""}>
            <HeatmapPanel panel={panel} step={step} />
            <GateNotes panel={panel} />
          </div>
        ))}
      </div>
    </section>
  );
}

export function Matrices({ layout }: { layout: WeightsLayout }) {
  return (
    <div class="matrix-blocks" style={{ gridTemplateColumns: `repeat(${layout.across}, max-content)` }}>
      {matrixBlocks.value.map((block) => (
        <Block key={block.key} block={block} layout={layout} />
      ))}
    </div>
  );
}
