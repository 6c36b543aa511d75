/** One step: the histograms of all runs over each other, in their colours. */

import { barsOf, clippedPeaks, outlinePath, type Peak } from "../../drawing/histogram";
import { visibleColour } from "../../drawing/line_colours";
import { percentText } from "../../drawing/number_text";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { type DrawingProps } from "./histogram_panel";
import { panelAttributes } from "./panel_attributes";

/** Numbers nearer to each other than this share of the width would run into one another. */
const apart = 0.16;

interface Label extends Peak {
  key: string;
  run: string;
  colour: string;
}

/** The numbers on the bars that are cut off; where there is no room for two, that of the larger share. */
function withRoom(labels: Label[]): Label[] {
  const kept: Label[] = [];
  for (const label of labels.toSorted((a, b) => b.share - a.share)) {
    if (kept.every((other) => Math.abs(other.fraction - label.fraction) >= apart)) kept.push(label);
  }
  return kept;
}

const outline = { width: 1000, base: 100, limitAt: 10, top: 0 };

export function StepDrawing({ panel, axes }: DrawingProps) {
  const { axis, limit } = axes;
  const drawn = panel.traces.flatMap(({ run, frames: [frame] }) => {
    if (frame.histogram === null) return [];
    const bars = barsOf(frame.histogram, axis);
    return [{ key: run.key, run, step: frame.step, bars, colour: visibleColour(runColour(run.position), dark.value) }];
  });
  const labels = drawn.flatMap(({ key, run, bars, colour }) =>
    clippedPeaks(bars, axis, limit).map((peak) => ({ ...peak, key, run: run.run, colour })),
  );
  return (
    <>
      <svg
        viewBox={`0 0 ${outline.width} ${outline.base}`}
        preserveAspectRatio="none"
        {...panelAttributes(panel, axes, "histogram", limit)}
      >
        {drawn.map(({ key, run, step, bars, colour }) => (
          <path
            key={key}
            class={run.moment === "now" ? "bars" : "bars earlier"}
            d={outlinePath(bars, axis, limit, outline)}
            style={{ stroke: colour, fill: colour }}
            data-run={run.run}
            data-step={step}
          />
        ))}
      </svg>
      {withRoom(labels).map(({ key, run, colour, fraction, share }) => (
        <span
          key={`${key} ${fraction}`}
          class={fraction > 0.85 ? "peak left" : "peak"}
          style={{ left: `${fraction * 100}%` }}
          title={`${run}: this bar holds ${percentText(share)} of the values; its top is cut off`}
          aria-hidden="true"
        >
          <i style={{ background: colour }} />
          {percentText(share)}
        </span>
      ))}
      {drawn.length === 0 ? <span class="nothing">nothing finite</span> : null}
    </>
  );
}
