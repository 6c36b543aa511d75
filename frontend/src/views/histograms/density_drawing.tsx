/** Many steps of one run as a map: steps to the right, values upwards, the share of values as colour. */

import { computed } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { colourMap } from "../../drawing/colour_maps";
import { densityMap } from "../../drawing/density_map";
import { type Colouring, paintHeatmap } from "../../drawing/heatmap";
import { choices } from "../../state/choices";
import { dark } from "../../state/host";
import { snappedStep } from "../../state/series";
import { nearestIndex } from "../../state/steps";
import { type DrawingProps } from "./histogram_panel";
import { panelAttributes } from "./panel_attributes";
import { ridgeSteps } from "./ridge_drawing";
import { largestShare } from "./scene";

/** Shares below a thousandth of the largest are no longer told apart. */
const decades = 3;

export const densityMapName = computed(() => {
  const { colours } = choices.value;
  return colours === "automatic" ? (dark.value ? "berlin" : "vik") : colours;
});

/** One for all maps: a share has the same meaning in each. */
export const densityColouring = computed<Colouring>(() => {
  const limit = largestShare.value;
  return { scale: { kind: "log", decades, limit, low: 0, high: limit }, map: colourMap(densityMapName.value) };
});

export function DensityDrawing({ panel, axes }: DrawingProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [{ run, frames }] = panel.traces;
  const colouring = densityColouring.value;
  const picture = useMemo(
    () =>
      densityMap(
        frames.map(({ histogram }) => histogram),
        axes.rows,
      ),
    [frames, axes.rows],
  );
  useLayoutEffect(() => {
    if (canvas.current !== null) paintHeatmap(canvas.current, picture, colouring);
  }, [picture, colouring]);
  const steps = ridgeSteps(panel);
  const now = nearestIndex(steps, snappedStep.value ?? 0);
  return (
    <>
      <canvas
        ref={canvas}
        {...panelAttributes(panel, axes, "values by steps", colouring.scale.limit)}
        data-run={run.run}
        data-map={colouring.map.name}
        data-steps={steps.join()}
      />
      <i class="now" style={{ left: `${((now + 0.5) / steps.length) * 100}%` }} aria-hidden="true" />
    </>
  );
}
