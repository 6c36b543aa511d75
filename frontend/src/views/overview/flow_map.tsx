/** One gradient-flow map: its drawing, the steps below it, the lags beside it, the step that is looked at. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { columnOfStep, type LagAxis, paintFlow, placeOfStep, type StepAxis } from "../../drawing/flow_map";
import { curvePath } from "../../drawing/step_curve";
import { indexTicks } from "../../drawing/ticks";
import { choices, choose } from "../../state/choices";
import { quantityPhrase } from "../../state/names";
import { snappedStep } from "../../state/series";
import { nearestStep } from "../../state/steps";
import { useTakeable } from "../../take_away/takeable";
import { type FlowLayout } from "./flow_layout";
import { flowNumbers } from "./flow_numbers";
import { axes, colouring, type Flow, horizonOf, nonFiniteSteps, pointedCell } from "./flow_scene";
import { badgeText, flowLabel } from "./flow_words";

interface FlowProps {
  flow: Flow;
  size: FlowLayout;
}

/** The step of the flow's own that a column shows. */
function stepAt({ profiles, picture }: Flow, column: number): number | null {
  const range = picture.steps.at(column) ?? null;
  const middle = axes.value.steps.first + column * axes.value.steps.interval;
  return range === null ? null : nearestStep(profiles.steps.slice(range[0], range[1] + 1), middle);
}

function chooseStepAt(flow: Flow, column: number): void {
  const step = stepAt(flow, column);
  if (step !== null) choose({ step });
}

function onPointer(event: PointerEvent, { key, picture }: Flow): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * picture.width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * picture.height);
  if (column < 0 || row < 0 || column >= picture.width || row >= picture.height) return;
  const now = pointedCell.value;
  if (now?.key !== key || now.column !== column || now.row !== row) pointedCell.value = { key, column, row };
}

const arrows: Partial<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Arrow keys go from cell to cell, from the step that is looked at on; Enter looks at the step. */
function onKey(event: KeyboardEvent, flow: Flow): void {
  const { key, picture } = flow;
  const now = pointedCell.value;
  if (event.key === "Escape") pointedCell.value = null;
  if (event.key === "Enter" && now !== null) chooseStepAt(flow, now.column);
  const move = arrows[event.key];
  if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const start = columnOfStep(axes.value.steps, snappedStep.value ?? axes.value.steps.last);
  const [column, row] = now === null ? [start, 0] : [now.column + move[0], now.row + move[1]];
  pointedCell.value = {
    key,
    column: Math.max(0, Math.min(picture.width - 1, column)),
    row: Math.max(0, Math.min(picture.height - 1, row)),
  };
}

/** The canvas. Its data attributes say what is drawn and how, to the last digit. */
function Drawing({ flow, size }: FlowProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { picture, profiles, run } = flow;
  const { scale, map } = colouring.value;
  const { steps, lags } = axes.value;
  useLayoutEffect(() => {
    if (canvas.current !== null) paintFlow(canvas.current, picture, { scale, map });
  }, [picture, map, scale.decades, scale.limit]);
  return (
    <canvas
      ref={canvas}
      class="heatmap flow-map"
      role="img"
      tabIndex={0}
      aria-label={flowLabel(flow)}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      data-run={run.run}
      data-layer={profiles.layer}
      data-quantity={profiles.quantity}
      data-direction={flow.direction}
      data-statistic={choices.value.statistic}
      data-decades={scale.decades}
      data-limit={scale.limit}
      data-map={map.name}
      data-first={steps.first}
      data-interval={steps.interval}
      data-block={lags.block}
      data-steps={profiles.steps.length}
      onKeyDown={(event) => {
        onKey(event, flow);
      }}
    />
  );
}

const unit = 1000;

/** The largest lag at which the gradient is long, over the steps. */
function Horizon({ flow, steps, lags }: { flow: Flow; steps: StepAxis; lags: LagAxis }) {
  const x = (step: number) => placeOfStep(steps, step) * unit;
  const y = (lag: number) => ((lag + 1) / (lags.rows * lags.block)) * unit;
  const path = curvePath(horizonOf(flow), x, y);
  if (path === "") return null;
  return (
    <svg class="horizon" viewBox={`0 0 ${unit} ${unit}`} preserveAspectRatio="none" aria-hidden="true">
      <path class="halo" d={path} />
      <path class="line" d={path} />
    </svg>
  );
}

function Marks({ flow, steps, lags }: { flow: Flow; steps: StepAxis; lags: LagAxis }) {
  const here = pointedCell.value;
  const now = snappedStep.value;
  const middle = (index: number, count: number) => `${((index + 0.5) / count) * 100}%`;
  return (
    <>
      {now === null || now < steps.first || now > steps.last ? null : (
        <i class="flow-now" style={{ left: `${placeOfStep(steps, now) * 100}%` }} aria-hidden="true" />
      )}
      {here === null ? null : (
        <div class={here.key === flow.key ? "flow-cross here" : "flow-cross"} aria-hidden="true" data-not-taken="">
          <i class="flow-column" style={{ left: middle(here.column, steps.columns) }} />
          <i class="flow-row" style={{ top: middle(here.row, lags.rows) }} />
        </div>
      )}
    </>
  );
}

/** How many steps back, from the top down. */
function Lags({ lags, height }: { lags: LagAxis; height: number }) {
  const whole = lags.rows * lags.block;
  return (
    <div class="flow-lags" aria-hidden="true">
      <em>timesteps back</em>
      {indexTicks(lags.timesteps, height, 34).map((lag) => (
        <span key={lag} style={{ top: `${((lag + 0.5) / whole) * 100}%` }}>
          {lag}
        </span>
      ))}
    </div>
  );
}

function StepEnds({ steps }: { steps: StepAxis }) {
  return (
    <div class="flow-steps" aria-hidden="true">
      <span>{steps.first}</span>
      <span>training step</span>
      <span>{steps.last}</span>
    </div>
  );
}

export function FlowMap({ flow, size }: FlowProps) {
  const { run, direction, profiles } = flow;
  const { steps, lags } = axes.value;
  const phrase = quantityPhrase(run.quantity.quantity);
  const place = useTakeable<HTMLElement>(() => ({
    name: `${run.run}, gradient flow, ${direction}`,
    title: `${run.run}, ${run.layer.layer} ${phrase}, ${direction}: norm by timestep and training step`,
    fileParts: [run.run, run.layer.layer, run.quantity.quantity, "flow", direction],
    numbers: () => Promise.resolve(flowNumbers(profiles)),
  }));
  const badge = badgeText(flow);
  return (
    <figure class="flow" ref={place}>
      <div class="flow-title">
        {run.layer.directions.length > 1 ? <span class="quiet">{direction}</span> : null}
        {badge === "" ? null : (
          <span class="badge" title={badge}>
            NaN or Inf from step {nonFiniteSteps(profiles)[0]}
          </span>
        )}
      </div>
      <div class="flow-body">
        <Lags lags={lags} height={size.height} />
        <div
          class="flow-plot"
          style={{ width: `${size.width}px`, height: `${size.height}px` }}
          onPointerMove={(event) => {
            onPointer(event, flow);
          }}
          onPointerLeave={() => {
            pointedCell.value = null;
          }}
          onClick={() => {
            if (pointedCell.value !== null) chooseStepAt(flow, pointedCell.value.column);
          }}
        >
          <Drawing flow={flow} size={size} />
          <Horizon flow={flow} steps={steps} lags={lags} />
          <Marks flow={flow} steps={steps} lags={lags} />
        </div>
      </div>
      <StepEnds steps={steps} />
    </figure>
  );
}
