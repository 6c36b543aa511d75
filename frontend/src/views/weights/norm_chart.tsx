/** The norm of one gate of one matrix, or how fast the matrix moves, over the steps: of all runs, in their colours. */

import { visibleColour } from "../../drawing/line_colours";
import { numberText } from "../../drawing/number_text";
import { alongSteps, curvePath } from "../../drawing/step_curve";
import { axisTicks, heightOf } from "../../drawing/value_axis";
import { choose } from "../../state/choices";
import { dark } from "../../state/host";
import { quantityPhrase, runColour } from "../../state/names";
import { snappedStep } from "../../state/series";
import { nearestStep, unionOfSteps } from "../../state/steps";
import { type Block } from "../../state/statistics";
import { type ValuesAtStep } from "../../take_away/panel_numbers";
import { useTakeable } from "../../take_away/takeable";
import { type HistogramPanel, type Trace } from "../histograms/arrangement";
import { takeableSteps } from "../histograms/taking";
import { panelText } from "../histograms/wording";
import { isUnrecorded, spreadNames, spreadNumbers } from "./channel_norms";
import { ChannelSpread } from "./channel_spread";
import {
  drawnNorm,
  normAxes,
  type NormAxes,
  normFields,
  normTexts,
  pointAtStep,
  pointedStep,
  pointsOf,
  valueOf,
} from "./scene";
import { usualMeaning, usualRatio } from "./update_ratio";

const width = 1000;
const height = 100;

/** Why there is no value. */
export function nothingText(block: Block): string {
  if (drawnNorm.value === "update_ratio") return "nothing measured";
  return drawnNorm.value === "channels" && isUnrecorded(block) ? "not recorded" : "nothing finite";
}

function traceText(trace: Trace): string {
  const points = pointsOf(trace).flatMap(({ step, value }) => (value === null ? [] : [{ step, value }]));
  const bad = trace.frames.filter(({ block }) => (block.nan ?? 0) + (block.inf ?? 0) > 0);
  const spoilt = bad.length === 0 ? "" : `, NaN or Inf at ${bad.length} of ${trace.frames.length} steps`;
  if (points.length === 0) return `${trace.run.run} ${nothingText(trace.frames[0].block)}${spoilt}`;
  const [first, last] = [points[0], points[points.length - 1]];
  const median = drawnNorm.value === "channels" ? "median " : "";
  const from = `${numberText(first.value, 3)} at step ${first.step}`;
  return `${trace.run.run} ${median}from ${from} to ${numberText(last.value, 3)} at step ${last.step}${spoilt}`;
}

function labelOf(panel: HistogramPanel): string {
  const [{ run }] = panel.traces;
  const subject = `${run.layer.layer} ${quantityPhrase(run.quantity.quantity)}, ${panelText(panel)}`;
  return `${subject}: ${normTexts[drawnNorm.value]} over steps; ${panel.traces.map(traceText).join("; ")}`;
}

function stepsOf(panel: HistogramPanel): number[] {
  return unionOfSteps(panel.traces.map(({ frames }) => frames.map(({ step }) => step)));
}

function onPointer(event: PointerEvent, panel: HistogramPanel, { first, last }: NormAxes): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const step = nearestStep(stepsOf(panel), first + ((event.clientX - box.left) / box.width) * (last - first));
  pointAtStep(step === null ? null : { panel: panel.key, step });
}

function onKey(event: KeyboardEvent, panel: HistogramPanel): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const now = pointedStep.value;
  if (event.key === "Escape") pointAtStep(null);
  if (event.key === "Enter" && now !== null) choose({ step: now.step });
  if (turn === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const steps = stepsOf(panel);
  const at = now === null ? -1 : steps.indexOf(now.step);
  const next = at < 0 ? (turn > 0 ? 0 : steps.length - 1) : Math.max(0, Math.min(steps.length - 1, at + turn));
  pointAtStep({ panel: panel.key, step: steps[next] });
}

/** The usual ratio: a faint line, wide enough to be pointed at. */
function UsualRatio({ at }: { at: number }) {
  const line = `M0 ${at}H${width}`;
  return (
    <g class="usual-ratio">
      <title>{usualMeaning}</title>
      <path class="usual-line" d={line} />
      <path class="usual-reach" d={line} />
    </g>
  );
}

function Curves({ panel, axes }: { panel: HistogramPanel; axes: NormAxes }) {
  const { axis, first, last } = axes;
  const x = (step: number) => alongSteps(step, first, last) * width;
  const y = (value: number) => (1 - heightOf(axis, value)) * height;
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      tabindex={0}
      aria-label={labelOf(panel)}
      data-direction={panel.direction}
      data-matrix={panel.matrix}
      data-gate={panel.gate}
      data-scale={axis.scale.kind}
      data-decades={axis.scale.decades}
      data-limit={axis.scale.limit}
      data-first={first}
      data-last={last}
      onKeyDown={(event) => {
        onKey(event, panel);
      }}
    >
      {drawnNorm.value === "update_ratio" ? <UsualRatio at={y(usualRatio)} /> : null}
      {panel.traces.map((trace) => {
        const colour = visibleColour(runColour(trace.run.position), dark.value);
        const bad = trace.frames.filter(({ block }) => (block.nan ?? 0) + (block.inf ?? 0) > 0);
        return (
          <g key={trace.run.run} style={{ stroke: colour, fill: colour }}>
            {drawnNorm.value === "channels" ? <ChannelSpread trace={trace} x={x} y={y} /> : null}
            <path class="norm" d={curvePath(pointsOf(trace), x, y)} data-run={trace.run.run} />
            <path class="norm-bad" d={bad.map(({ step }) => `M${x(step)} 0V8`).join("")} />
          </g>
        );
      })}
    </svg>
  );
}

function Line({ at, axes, kind }: { at: number | null; axes: NormAxes; kind: string }) {
  if (at === null) return null;
  const left = `${alongSteps(at, axes.first, axes.last) * 100}%`;
  return <i class={`norm-line ${kind}`} style={{ left }} aria-hidden="true" />;
}

function valuesOf({ run, frames }: Trace): ValuesAtStep[] {
  return frames.map((frame) => {
    const values = drawnNorm.value === "channels" ? spreadNumbers(frame.block) : [valueOf(frame)];
    return { run: run.run, step: frame.step, values };
  });
}

export function NormChart({ panel }: { panel: HistogramPanel }) {
  const axes = normAxes.value.get(panel.matrix);
  const place = useTakeable<HTMLElement>(() =>
    takeableSteps(panel, {
      what: normFields[drawnNorm.value].replaceAll("_", " "),
      names: drawnNorm.value === "channels" ? spreadNames : [normFields[drawnNorm.value]],
      points: panel.traces.flatMap(valuesOf),
    }),
  );
  if (axes === undefined) return null;
  return (
    <figure class="norm-chart" ref={place}>
      <div class="norm-ticks" aria-hidden="true">
        {axisTicks(axes.axis, 0.3).map(({ position, text }) => (
          <span key={text} style={{ bottom: `${position * 100}%` }}>
            {text}
          </span>
        ))}
      </div>
      <div
        class="norm-plot"
        onPointerMove={(event) => {
          onPointer(event, panel, axes);
        }}
        onPointerLeave={() => {
          pointAtStep(null);
        }}
        onClick={() => {
          if (pointedStep.value !== null) choose({ step: pointedStep.value.step });
        }}
      >
        <Curves panel={panel} axes={axes} />
        <Line at={snappedStep.value} axes={axes} kind="now" />
        <Line at={pointedStep.value?.step ?? null} axes={axes} kind="here" />
      </div>
      <div class="norm-steps" aria-hidden="true">
        <span>{axes.first}</span>
        {axes.last === axes.first ? null : <span>{axes.last}</span>}
      </div>
    </figure>
  );
}
