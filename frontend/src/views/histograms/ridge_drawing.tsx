/** Many steps of one run: a histogram each, from the first at the top to the last at the bottom. */

import { barsOf, outlinePath } from "../../drawing/histogram";
import { visibleColour } from "../../drawing/line_colours";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { snappedStep } from "../../state/series";
import { nearestStep } from "../../state/steps";
import { type HistogramPanel } from "./arrangement";
import { type DrawingProps } from "./histogram_panel";
import { panelAttributes } from "./panel_attributes";
import { pointedPlace } from "./pointing";

const height = 100;
/** How far the first ridge's ground lies below the top, and how high a ridge may rise at most. */
const headroom = 22;

/** The height of the ground of each ridge. */
export function ridgeBase(at: number, ridges: number): number {
  return ridges === 1 ? height : headroom + (at / (ridges - 1)) * (height - headroom);
}

/** The ridge that a point belongs to, 0 at the top of the drawing and 1 at its bottom. */
export function ridgeAt(y: number, ridges: number): number {
  const bases = Array.from({ length: ridges }, (_, i) => ridgeBase(i, ridges));
  const first = bases.findIndex((base) => base >= y * height);
  return first < 0 ? ridges - 1 : first;
}

/** The steps of a panel that has one run. */
export function ridgeSteps({ traces }: HistogramPanel): number[] {
  return traces[0].frames.map(({ step }) => step);
}

/** Older ridges are fainter. */
function strength(at: number, ridges: number): number {
  return ridges === 1 ? 1 : 0.55 + (0.45 * at) / (ridges - 1);
}

export function RidgeDrawing({ panel, axes }: DrawingProps) {
  const [{ run, frames }] = panel.traces;
  const colour = visibleColour(runColour(run.position), dark.value);
  const now = nearestStep(ridgeSteps(panel), snappedStep.value ?? 0);
  const pointed = pointedPlace.value?.step ?? null;
  return (
    <svg
      viewBox={`0 0 1000 ${height}`}
      preserveAspectRatio="none"
      {...panelAttributes(panel, axes, "ridgeline over steps", axes.limit)}
      data-run={run.run}
    >
      {frames.map(({ step, histogram }, i) => {
        const base = ridgeBase(i, frames.length);
        const top = Math.max(0, base - headroom);
        const outline = { width: 1000, base, limitAt: base - 0.92 * (base - top), top };
        const path =
          histogram === null ? "" : outlinePath(barsOf(histogram, axes.axis), axes.axis, axes.limit, outline);
        const which = step === pointed ? "ridge pointed" : step === now ? "ridge now" : "ridge";
        return (
          <path
            key={step}
            class={which}
            d={path}
            style={{ stroke: colour, strokeOpacity: strength(i, frames.length) }}
            data-step={step}
          />
        );
      })}
    </svg>
  );
}
