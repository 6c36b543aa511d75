/** Norms over the steps: gates down, matrices across, runs over each other. */

import { choices } from "../../state/choices";
import { type Section } from "../histograms/arrangement";
import { matrixText } from "../histograms/wording";
import { NormChart } from "./norm_chart";
import { normGroups } from "./scene";

function SectionOfNorms({ section }: { section: Section }) {
  const { matrices, rows } = section;
  const hasGates = rows.some(({ gate }) => gate !== "");
  return (
    <div
      class="norm-grid"
      style={{ gridTemplateColumns: `${hasGates ? "72px " : ""}repeat(${matrices.length}, minmax(0, 1fr))` }}
    >
      {hasGates ? <span /> : null}
      {matrices.map((matrix) => (
        <h4 key={matrix}>{matrixText(matrix)}</h4>
      ))}
      {rows.map(({ gate, panels }) => [
        hasGates ? (
          <span key={gate} class="norm-gate" title={`${gate} gate`}>
            {gate}
          </span>
        ) : null,
        ...panels.map((panel, i) =>
          panel === null ? <span key={`${gate} ${matrices[i]}`} /> : <NormChart key={panel.key} panel={panel} />,
        ),
      ])}
    </div>
  );
}

export function Norms({ what }: { what: string }) {
  const { norm } = choices.value;
  const groups = normGroups.value;
  if (groups.length === 0) return null;
  const both = groups.length > 1;
  return (
    <section class="norms">
      <h2>{norm === "l1" ? "L1" : "L2"} norm over steps</h2>
      <p class="caption">
        How large the {what} of each gate are, all runs over each other; one axis for all gates of a matrix. A mark at
        the upper edge is a step with NaN or Inf, which the norm leaves out.
      </p>
      <div class="norm-groups">
        {groups.map(({ key, direction, sections }) => (
          <div key={key}>
            {both ? <h3>{direction}</h3> : null}
            {sections.map((section) => (
              <SectionOfNorms key={section.matrices.join()} section={section} />
            ))}
          </div>
        ))}
      </div>
    </section>
  );
}
