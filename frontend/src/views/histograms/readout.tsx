/** The bar that is pointed at in numbers, of every run that the panel shows. */

import { choices } from "../../state/choices";
import { panelsOf } from "./arrangement";
import { barAt, frameAt, pointedPlace } from "./pointing";
import { axesOfPanels, groups } from "./scene";
import { barText, panelText } from "./wording";

const hints = {
  step: "Point at a bar to read its share; in a focused histogram the arrow keys move from bar to bar.",
  ridges:
    "Point at a ridge to read it, click to look at its step; in a focused drawing the arrow keys and Enter do so.",
  map: "Point at a place to read it, click to look at its step; in a focused map the arrow keys and Enter do so.",
};

export function Readout() {
  const place = pointedPlace.value;
  const panel = groups.value.flatMap(panelsOf).find(({ key }) => key === place?.panel);
  const axes = panel === undefined ? undefined : axesOfPanels.value.get(panel.key);
  if (place === null || panel === undefined || axes === undefined) {
    return <output class="readout quiet">{hints[choices.value.over]}</output>;
  }
  return (
    <output class="readout">
      <span>{panelText(panel)}</span>
      {panel.traces.map((trace) => {
        const frame = frameAt(trace, place.step);
        return (
          <span key={trace.run.key}>
            <strong>{trace.run.run}</strong>, step {frame.step}: {barText(barAt(frame, axes, place.u), axes.axis)}
          </span>
        );
      })}
    </output>
  );
}
