/** Norms over the steps: gates down, matrices across, runs over each other; or the update ratios of the matrices. */

import { type Section } from "../histograms/arrangement";
import { matrixText } from "../histograms/wording";
import { NormChart } from "./norm_chart";
import { drawnNorm, isWaiting, normGroups, normTexts, unrecordedRuns } from "./scene";
import { usualMeaning } from "./update_ratio";

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

function ChannelsCaption({ what }: { what: string }) {
  const unrecorded = unrecordedRuns.value;
  return (
    <p class="caption">
      How the {what} are spread over the channels of each gate: a channel is a column of a matrix, one unit of one gate.
      The line is the median of their norms, four fifths of them lie in the band, and the thin lines are the least and
      the largest: a few channels that run away lift the upper one, units that die sink the lower one. A channel with
      NaN or Inf is left out.
      {unrecorded.length === 0
        ? ""
        : ` ${unrecorded.join(", ")}: not recorded, by an older version of tb_rnn_plugin; new steps will have them.`}
    </p>
  );
}

function NormsCaption({ what }: { what: string }) {
  if (drawnNorm.value === "channels") return <ChannelsCaption what={what} />;
  if (drawnNorm.value !== "update_ratio") {
    return (
      <p class="caption">
        How large the {what} of each gate are, all runs over each other; one axis for all gates of a matrix. A mark at
        the upper edge is a step with NaN or Inf, which the norm leaves out.
      </p>
    );
  }
  return (
    <p class="caption">
      {"‖Δw‖ / ‖w‖: by what share of its norm each matrix moved in a step, after the optimizer; the " +
        "mean over the steps since the write before, so that the first write has none. "}
      <span class="explained" title={usualMeaning}>
        The faint line is at 1e-3, about what is usual (CS231n).
      </span>
    </p>
  );
}

/** In place of charts: ratios need a second write, in the same process as the first. */
function NoRatios() {
  return (
    <p class="caption">
      No update ratio was measured here: it needs two steps that one process wrote, and weights that are not all zero.
    </p>
  );
}

export function Norms({ what }: { what: string }) {
  const groups = normGroups.value;
  const areRatios = drawnNorm.value === "update_ratio";
  if (groups.length === 0 && !areRatios) return null;
  const both = groups.length > 1;
  const kind = areRatios ? " ratios" : drawnNorm.value === "channels" ? " channels" : "";
  return (
    <section class={`norms${kind}`}>
      <h2>{normTexts[drawnNorm.value]} over steps</h2>
      <NormsCaption what={what} />
      {groups.length === 0 && !isWaiting.value ? <NoRatios /> : null}
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
