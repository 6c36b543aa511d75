/** What is pointed at in numbers: the norms at a step, or a cell of a matrix. */

import { numberText } from "../../drawing/number_text";
import { choices } from "../../state/choices";
import { Readout } from "../heatmap/readout";
import { panelsOf } from "../histograms/arrangement";
import { frameAt } from "../histograms/pointing";
import { nonFiniteText, panelText } from "../histograms/wording";
import { normGroups, pointedStep } from "./scene";

export function WeightsReadout() {
  const place = pointedStep.value;
  const panel = normGroups.value.flatMap(panelsOf).find(({ key }) => key === place?.panel);
  if (place === null || panel === undefined) return <Readout />;
  const { norm } = choices.value;
  return (
    <output class="readout">
      <span>
        {norm === "l1" ? "L1" : "L2"} norm, {panelText(panel)}
      </span>
      {panel.traces.map((trace) => {
        const { step, block } = frameAt(trace, place.step);
        const value = (norm === "l1" ? block.l1_norm : block.l2_norm) ?? null;
        const spoilt = nonFiniteText(block);
        return (
          <span key={trace.run.run}>
            <strong>{trace.run.run}</strong>, step {step}:{" "}
            <strong>{value === null ? "nothing finite" : numberText(value)}</strong>
            {spoilt === "" ? "" : `, ${spoilt}`}
          </span>
        );
      })}
    </output>
  );
}
