/** One panel: its drawing with ticks around it, what of it is not finite, and the place that is pointed at. */

import { axisTicks, fractionOf } from "../../drawing/bin_axis";
import { choices, choose } from "../../state/choices";
import { runColour } from "../../state/names";
import { useTakeable } from "../../take_away/takeable";
import { type HistogramPanel } from "./arrangement";
import { DensityDrawing } from "./density_drawing";
import { DifferenceDrawing } from "./difference_drawing";
import { drawsDifferences } from "./differences";
import { besideBar, pointedPlace } from "./pointing";
import { RidgeDrawing, ridgeAt, ridgeSteps } from "./ridge_drawing";
import { axesOfPanels, type PanelAxes } from "./scene";
import { StepDrawing } from "./step_drawing";
import { takeableHistogram } from "./taking";
import { badgeText } from "./wording";

export interface DrawingProps {
  panel: HistogramPanel;
  axes: PanelAxes;
}

function Badges({ panel }: { panel: HistogramPanel }) {
  const found = panel.traces
    .map((trace) => ({ run: trace.run, text: badgeText(trace) }))
    .filter(({ text }) => text !== "");
  return (
    <>
      {found.map(({ run, text }) => (
        <span key={run.key} class="badge" title={`${run.run}: ${text}`}>
          <span class="dot" style={{ background: runColour(run.position) }} />
          {text}
        </span>
      ))}
    </>
  );
}

/** Where values run to the right. */
function ValuesBelow({ axes }: { axes: PanelAxes }) {
  return (
    <div class="bin-ticks across" aria-hidden="true">
      {axisTicks(axes.axis, 0.19).map(({ fraction, text }) => (
        <span key={text} style={{ left: `${fraction * 100}%` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

/** Where values run upwards. */
function ValuesBeside({ axes }: { axes: PanelAxes }) {
  return (
    <div class="bin-ticks down" aria-hidden="true">
      {axisTicks(axes.axis, 0.19).map(({ fraction, text }) => (
        <span key={text} style={{ bottom: `${fraction * 100}%` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

/** The first and the last of the steps: below a map, beside a ridgeline. */
function StepEnds({ panel }: { panel: HistogramPanel }) {
  const steps = ridgeSteps(panel);
  return (
    <div class={choices.value.over === "map" ? "step-ends across" : "step-ends down"} aria-hidden="true">
      <span>{steps[0]}</span>
      {steps.length > 1 ? <span>{steps[steps.length - 1]}</span> : null}
    </div>
  );
}

/** Which value and step lie under a point of the plot, both from 0 to 1, from the left and from the top. */
function placeUnder(
  panel: HistogramPanel,
  { axis }: PanelAxes,
  x: number,
  y: number,
): { u: number; step: number | null } {
  const along = (fraction: number) => axis.low + fraction * (axis.high - axis.low);
  const { over } = choices.value;
  if (over === "step") return { u: along(x), step: null };
  const steps = ridgeSteps(panel);
  if (over === "ridges") return { u: along(x), step: steps[ridgeAt(y, steps.length)] };
  return { u: along(1 - y), step: steps[Math.min(steps.length - 1, Math.floor(x * steps.length))] };
}

function onPointer(event: PointerEvent, panel: HistogramPanel, axes: PanelAxes): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width;
  const y = (event.clientY - box.top) / box.height;
  if (x < 0 || y < 0 || x > 1 || y > 1) return;
  pointedPlace.value = { panel: panel.key, axes: axes.key, ...placeUnder(panel, axes, x, y) };
}

/** Arrow keys go to the next bar, and where steps are drawn to the next step; Enter looks at that step. */
function onKey(event: KeyboardEvent, panel: HistogramPanel, axes: PanelAxes): void {
  const { over } = choices.value;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") pointedPlace.value = null;
  const now = pointedPlace.value;
  const steps = ridgeSteps(panel);
  if (event.key === "Enter" && now !== null && now.step !== null) choose({ step: now.step });
  const along = over === "map" ? ["ArrowDown", "ArrowUp"] : ["ArrowLeft", "ArrowRight"];
  const across = over === "map" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  const [turn, stepTurn] = [along, across].map((keys) => keys.indexOf(event.key));
  if (turn < 0 && (over === "step" || stepTurn < 0)) return;
  event.preventDefault();
  event.stopPropagation();
  const from = now?.u ?? -Infinity;
  const step = over === "step" ? null : (now?.step ?? steps[0]);
  const at = step === null ? 0 : steps.indexOf(step) + (stepTurn < 0 || now === null ? 0 : 2 * stepTurn - 1);
  pointedPlace.value = {
    panel: panel.key,
    axes: axes.key,
    u: turn < 0 && now !== null ? from : besideBar(panel, axes, from, step, turn === 0 && now !== null ? -1 : 1),
    step: step === null ? null : steps[Math.max(0, Math.min(steps.length - 1, at))],
  };
}

/** A line at the value that is pointed at; where steps run across, a line at the step too. */
function Mark({ panel, axes }: DrawingProps) {
  const place = pointedPlace.value;
  if (place?.axes !== axes.key) return null;
  const fraction = fractionOf(axes.axis, place.u);
  const { over } = choices.value;
  const steps = ridgeSteps(panel);
  const at = place.step === null ? -1 : steps.indexOf(place.step);
  const here = place.panel === panel.key ? "mark here" : "mark";
  if (over !== "map") return <i class={`${here} value`} style={{ left: `${fraction * 100}%` }} aria-hidden="true" />;
  return (
    <>
      <i class={`${here} level`} style={{ bottom: `${fraction * 100}%` }} aria-hidden="true" />
      {at < 0 ? null : (
        <i class={`${here} value`} style={{ left: `${((at + 0.5) / steps.length) * 100}%` }} aria-hidden="true" />
      )}
    </>
  );
}

const drawings = { step: StepDrawing, ridges: RidgeDrawing, map: DensityDrawing };

export function HistogramFigure({ panel }: { panel: HistogramPanel }) {
  const axes = axesOfPanels.value.get(panel.key);
  const place = useTakeable<HTMLElement>(() => takeableHistogram(panel));
  if (axes === undefined) return null;
  const { over } = choices.value;
  const Drawing = drawsDifferences() ? DifferenceDrawing : drawings[over];
  return (
    <figure class={`histogram ${over}`} ref={place}>
      <div class="badges">
        <Badges panel={panel} />
      </div>
      <div
        class="histogram-plot"
        onPointerMove={(event) => {
          onPointer(event, panel, axes);
        }}
        onPointerLeave={() => {
          pointedPlace.value = null;
        }}
        onClick={() => {
          const step = pointedPlace.value?.step;
          if (typeof step === "number") choose({ step });
        }}
        onKeyDown={(event) => {
          onKey(event, panel, axes);
        }}
      >
        <Drawing panel={panel} axes={axes} />
        <Mark panel={panel} axes={axes} />
      </div>
      {over === "map" ? <ValuesBeside axes={axes} /> : <ValuesBelow axes={axes} />}
      {over === "step" ? null : <StepEnds panel={panel} />}
    </figure>
  );
}
