/** A dot for each unit of a direction: to the right how long its gate keeps, up how long its gradient lasts. */

import { visibleColour } from "../../drawing/line_colours";
import { alongLog, dotsPath, type LogSquare, logTicks, nearestPlace } from "../../drawing/log_square";
import { numberText } from "../../drawing/number_text";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { problem } from "../../state/problems";
import { snappedStep } from "../../state/series";
import { areTimescalesThere, type Timescales } from "../../state/timescales";
import { useTakeable } from "../../take_away/takeable";
import { countText, placeOf, pointedUnit, square, timescaleNumbers, type TimescalePlot } from "./timescale_scene";

const unit = 1000;
/** Of the square's side: how near a dot has to be to be the one that is pointed at. */
const near = 0.06;

function labelOf(plot: TimescalePlot): string {
  const { of, values, dots } = plot;
  const subject = `${of.run}, ${of.layer}, ${values.direction}: timescales at step ${values.step}, ${countText(plot)}`;
  const range = (name: string, found: number[]) =>
    found.length === 0
      ? ""
      : `, ${name} from ${numberText(Math.min(...found), 3)} to ${numberText(Math.max(...found), 3)}`;
  const gates = range(
    `${values.gate} gate`,
    dots.map(({ gate }) => gate),
  );
  return `${subject}${gates}${range(
    "gradient",
    dots.map(({ gradient }) => gradient),
  )}`;
}

function point(event: PointerEvent, { key, dots }: TimescalePlot, of: LogSquare): void {
  const box = (event.currentTarget as Element).getBoundingClientRect();
  const to = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  const places = dots.map((dot) => placeOf(dot, of));
  const found = nearestPlace(places, to, near);
  pointedUnit.value = found === null ? null : { key, unit: dots[found].unit };
}

/** Arrow keys go from unit to unit. */
function onKey(event: KeyboardEvent, { key, dots }: TimescalePlot): void {
  if (event.key === "Escape") pointedUnit.value = null;
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (move === undefined || dots.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const now = pointedUnit.value?.key === key ? dots.findIndex((dot) => dot.unit === pointedUnit.value?.unit) : -1;
  const next = now < 0 ? 0 : Math.max(0, Math.min(dots.length - 1, now + move));
  pointedUnit.value = { key, unit: dots[next].unit };
}

function Here({ plot, of }: { plot: TimescalePlot; of: LogSquare }) {
  const here = pointedUnit.value;
  const dot = here?.key === plot.key ? plot.dots.find((one) => one.unit === here.unit) : undefined;
  if (dot === undefined) return null;
  const { x, y } = placeOf(dot, of);
  return <i class="dot-ring here" style={{ left: `${x * 100}%`, top: `${y * 100}%` }} aria-hidden="true" />;
}

function Drawing({ plot, of }: { plot: TimescalePlot; of: LogSquare }) {
  const { values } = plot;
  return (
    <svg
      class="timescales"
      viewBox={`0 0 ${unit} ${unit}`}
      role="img"
      tabIndex={0}
      aria-label={labelOf(plot)}
      data-run={plot.of.run}
      data-layer={plot.of.layer}
      data-direction={values.direction}
      data-step={values.step}
      data-low={of.low}
      data-high={of.high}
      data-units={plot.dots.map((dot) => dot.unit).join()}
      onPointerMove={(event) => {
        point(event, plot, of);
      }}
      onPointerLeave={() => {
        pointedUnit.value = null;
      }}
      onKeyDown={(event) => {
        onKey(event, plot);
      }}
      onBlur={() => {
        pointedUnit.value = null;
      }}
    >
      <path class="diagonal" d={`M0 ${unit}L${unit} 0`} />
      <path
        class="unit-dots"
        d={dotsPath(
          plot.dots.map((dot) => placeOf(dot, of)),
          unit,
        )}
        style={{ stroke: visibleColour(runColour(plot.of.position), dark.value) }}
      />
    </svg>
  );
}

function Ticks({ of }: { of: LogSquare }) {
  const ticks = logTicks(of).map((tick) => ({ text: numberText(tick), at: `${alongLog(of, tick) * 100}%` }));
  return (
    <>
      <div class="timescale-ticks up" aria-hidden="true">
        {ticks.map(({ text, at }) => (
          <span key={text} style={{ bottom: at }}>
            {text}
          </span>
        ))}
      </div>
      <div class="timescale-ticks right" aria-hidden="true">
        {ticks.map(({ text, at }) => (
          <span key={text} style={{ left: at }}>
            {text}
          </span>
        ))}
      </div>
    </>
  );
}

/** Why the step is not the one that is looked at. */
function otherStepText({ step }: Timescales): string {
  if (step === snappedStep.value) return "";
  if (areTimescalesThere.value) return " (its nearest)";
  return problem.value === null ? " Loading\u2026" : "";
}

export function TimescaleFigure({ plot }: { plot: TimescalePlot }) {
  const { of, values, isOneOfTwo } = plot;
  const place = useTakeable<HTMLElement>(() => ({
    name: `${of.run}, timescales, ${values.direction}`,
    title: `${of.run}, ${of.layer}, step ${values.step}, ${values.direction}: timescale of each unit's gradient against that of its ${values.gate} gate`,
    fileParts: [of.run, of.layer, "timescales", `step${values.step}`, values.direction],
    numbers: () => Promise.resolve(timescaleNumbers(plot)),
  }));
  const shared = square.value;
  return (
    <figure class="timescale-figure" ref={place}>
      <figcaption>
        <span class="dot" style={{ background: runColour(of.position) }} />
        <bdi>{of.run}</bdi>
        <span class="quiet">
          {isOneOfTwo ? `${values.direction}, ` : ""}step {values.step}
          {otherStepText(values)}
        </span>
      </figcaption>
      {shared === null ? null : (
        <div class="timescale-body">
          <Ticks of={shared} />
          <em class="x" aria-hidden="true">
            {values.gate} gate keeps, timesteps
          </em>
          <em class="y" aria-hidden="true">
            gradient lasts, timesteps
          </em>
          <div class="timescale-square">
            <Drawing plot={plot} of={shared} />
            <Here plot={plot} of={shared} />
          </div>
        </div>
      )}
      <p class="timescale-count quiet">{countText(plot)}</p>
    </figure>
  );
}
