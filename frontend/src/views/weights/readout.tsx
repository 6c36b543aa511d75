/** What is pointed at in numbers: the norms at a step, or a cell of a matrix. */

import { numberText } from "../../drawing/number_text";
import { pointed } from "../../state/pointing";
import { Readout } from "../heatmap/readout";
import { type Frame, panelsOf } from "../histograms/arrangement";
import { frameAt } from "../histograms/pointing";
import { nonFiniteText, panelText } from "../histograms/wording";
import { nothingText } from "./norm_chart";
import { spreadOf, spreadText } from "./channel_norms";
import { drawnNorm, normGroups, normTexts, pointedStep, valueOf } from "./scene";

function valueText(frame: Frame): string {
  const spread = drawnNorm.value === "channels" ? spreadOf(frame.block) : null;
  if (spread !== null) return spreadText(spread);
  const value = valueOf(frame);
  return value === null ? nothingText(frame.block) : numberText(value);
}

export function WeightsReadout() {
  const place = pointedStep.value;
  const panel = normGroups.value.flatMap(panelsOf).find(({ key }) => key === place?.panel);
  if (place === null || panel === undefined || pointed.value !== null) return <Readout />;
  return (
    <output class="readout">
      <span>
        {normTexts[drawnNorm.value]}, {panelText(panel)}
      </span>
      {panel.traces.map((trace) => {
        const frame = frameAt(trace, place.step);
        const spoilt = nonFiniteText(frame.block);
        return (
          <span key={trace.run.run}>
            <strong>{trace.run.run}</strong>, step {frame.step}: <strong>{valueText(frame)}</strong>
            {spoilt === "" ? "" : `, ${spoilt}`}
          </span>
        );
      })}
    </output>
  );
}
