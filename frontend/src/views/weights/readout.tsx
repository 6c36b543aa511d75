/** What is pointed at in numbers: the norms at a step, or a cell of a matrix. */

import { numberText } from "../../drawing/number_text";
import { Readout } from "../heatmap/readout";
import { panelsOf } from "../histograms/arrangement";
import { frameAt } from "../histograms/pointing";
import { nonFiniteText, panelText } from "../histograms/wording";
import { nothingText } from "./norm_chart";
import { drawnNorm, normGroups, normTexts, pointedStep, valueOf } from "./scene";

export function WeightsReadout() {
  const place = pointedStep.value;
  const panel = normGroups.value.flatMap(panelsOf).find(({ key }) => key === place?.panel);
  if (place === null || panel === undefined) return <Readout />;
  return (
    <output class="readout">
      <span>
        {normTexts[drawnNorm.value]}, {panelText(panel)}
      </span>
      {panel.traces.map((trace) => {
        const frame = frameAt(trace, place.step);
        const value = valueOf(frame);
        const spoilt = nonFiniteText(frame.block);
        return (
          <span key={trace.run.run}>
            <strong>{trace.run.run}</strong>, step {frame.step}:{" "}
            <strong>{value === null ? nothingText() : numberText(value)}</strong>
            {spoilt === "" ? "" : `, ${spoilt}`}
          </span>
        );
      })}
    </output>
  );
}
