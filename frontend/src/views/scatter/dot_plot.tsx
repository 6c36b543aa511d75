/** The dots of one run: channels to the right, values upwards. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { type DotPlane, dotX, dotY, paintDots, radiusOf, slotAt } from "../../drawing/dots";
import { zeroColour } from "../../drawing/line_colours";
import { numberOf } from "../../drawing/picture";
import { indexTicks } from "../../drawing/ticks";
import { dotsAsSvg, drawnAs } from "../../drawing/vector";
import { choices } from "../../state/choices";
import { dark } from "../../state/host";
import { pointAt, pointed, type PointedCell } from "../../state/pointing";
import { dotNumbers } from "../../take_away/panel_numbers";
import { panelWords } from "../../take_away/panel_words";
import { useTakeable } from "../../take_away/takeable";
import { ValueTicks, inset } from "../curves/axes";
import { axisOf, coloursOf, type Dots } from "./scene";
import { countsOf, dotsLabel } from "./wording";

export interface Size {
  width: number;
  height: number;
}

function planeOf(dots: Dots, { width, height }: Size): DotPlane {
  const ratio = window.devicePixelRatio;
  return {
    channels: dots.channels.length,
    samples: dots.samples.length,
    axis: axisOf(dots),
    width: Math.round(width * ratio),
    height: Math.round(height * ratio),
    inset: edge * ratio,
  };
}

/** Room for the dots at the ends of the axis. */
const edge = inset + 2;

/** Slots before which another direction begins. */
function dividersOf({ run, samples, channels }: Dots): number[] {
  const { directions } = run.layer;
  const half = (samples.at(0)?.array.full_shape[1] ?? 0) / directions.length;
  const before = channels.filter((channel) => channel < half).length;
  return directions.length < 2 || before === 0 || before === channels.length ? [] : [before];
}

/** The value of a cell that is pointed at; NaN where there is none. */
function valueAt({ samples }: Dots, { row, column }: Pick<PointedCell, "row" | "column">): number {
  const array = samples.find(({ sample }) => sample === row)?.array;
  return array === undefined || column >= array.shape[1] ? NaN : numberOf(array.cells, column);
}

/** The nearest dot within the slot under the pointer. */
function pointNear(dots: Dots, plane: DotPlane, x: number, y: number): void {
  const column = dots.channels[slotAt(plane, x)];
  let nearest = dots.samples[0].sample;
  let distance = Infinity;
  dots.samples.forEach(({ sample, array }, i) => {
    const value = numberOf(array.cells, column);
    const off = Number.isFinite(value)
      ? Math.hypot(dotX(plane, slotAt(plane, x), i) - x, dotY(plane, value) - y)
      : Infinity;
    if (off < distance) [nearest, distance] = [sample, off];
  });
  pointAt({ key: dots.key, row: nearest, column });
}

const arrows: Partial<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Arrow keys move from dot to dot here; elsewhere they move the step. */
function onKey(event: KeyboardEvent, { key, channels, samples }: Dots): void {
  const move = arrows[event.key];
  if (event.key === "Escape") pointAt(null);
  if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const within = (at: number, count: number) => Math.max(0, Math.min(count - 1, at));
  const cell = pointed.value;
  const slot = cell === null ? -1 : channels.indexOf(cell.column);
  const place = cell === null ? -1 : samples.findIndex(({ sample }) => sample === cell.row);
  pointAt({
    key,
    column: channels[slot < 0 ? 0 : within(slot + move[0], channels.length)],
    row: samples[place < 0 ? 0 : within(place + move[1], samples.length)].sample,
  });
}

/** A ring around the dot that is pointed at, in every run. Only this is drawn anew when the pointer moves. */
function Ring({ dots, plane }: { dots: Dots; plane: DotPlane }) {
  const cell = pointed.value;
  if (cell === null) return null;
  const value = valueAt(dots, cell);
  const slot = dots.channels.indexOf(cell.column);
  const place = dots.samples.findIndex(({ sample }) => sample === cell.row);
  if (slot < 0 || place < 0 || !Number.isFinite(value)) return null;
  const ratio = window.devicePixelRatio;
  const left = `${dotX(plane, slot, place) / ratio}px`;
  return (
    <i
      class={cell.key === dots.key ? "dot-ring here" : "dot-ring"}
      style={{ left, top: `${dotY(plane, value) / ratio}px` }}
      aria-hidden="true"
    />
  );
}

function Canvas({ dots, plane, size }: { dots: Dots; plane: DotPlane; size: Size }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = coloursOf(dots);
  const isDark = dark.value;
  const zero = choices.value.zero ? zeroColour(isDark) : null;
  const radius = radiusOf(plane, window.devicePixelRatio);
  useLayoutEffect(() => {
    if (canvas.current === null) return;
    const cells = dots.samples.map(({ array }) => dots.channels.map((channel) => numberOf(array.cells, channel)));
    const samples = cells.map((values) => Float32Array.from(values));
    const look = { colours, radius, zero, dividers: dividersOf(dots), divider: zeroColour(isDark) };
    paintDots(canvas.current, samples, plane, look);
    drawnAs(canvas.current, () => dotsAsSvg(samples, plane, look));
  }, [dots, JSON.stringify(plane), colours.join(), zero]);
  const [{ array }] = dots.samples;
  const { nan, inf } = countsOf(dots);
  const { scale, bottom, top } = plane.axis;
  return (
    <canvas
      ref={canvas}
      class="dots"
      role="img"
      tabIndex={0}
      aria-label={dotsLabel(dots)}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      data-run={dots.run.run}
      data-minus={dots.run.minus?.run}
      data-moment={dots.run.moment}
      data-layer={array.layer}
      data-quantity={array.quantity}
      data-step={array.step}
      data-dtype={array.dtype}
      data-channels={dots.channels.length}
      data-samples={dots.samples.length}
      data-limit={scale.limit}
      data-bottom={bottom}
      data-top={top}
      data-nan={nan}
      data-inf={inf}
      data-stale={dots.stale ? "true" : "false"}
      onPointerMove={(event) => {
        const ratio = window.devicePixelRatio;
        pointNear(dots, plane, event.offsetX * ratio, event.offsetY * ratio);
      }}
      onPointerLeave={() => {
        pointAt(null);
      }}
      onKeyDown={(event) => {
        onKey(event, dots);
      }}
    />
  );
}

function ChannelTicks({ dots, plane }: { dots: Dots; plane: DotPlane }) {
  const ratio = window.devicePixelRatio;
  const middle = (slot: number) => dotX({ ...plane, samples: 1 }, slot, 0) / ratio;
  return (
    <div class="time-ticks" aria-hidden="true">
      {indexTicks(dots.channels.length, plane.width / ratio, 48).map((slot) => (
        <span key={slot} style={{ left: `${middle(slot)}px` }}>
          {dots.channels[slot]}
        </span>
      ))}
    </div>
  );
}

export function DotPlot({ dots, size }: { dots: Dots; size: Size }) {
  const plane = planeOf(dots, size);
  const { run, samples, channels } = dots;
  const which = samples.map(({ sample }) => sample).join(", ");
  const place = useTakeable<HTMLDivElement>(() => ({
    ...panelWords(run, samples[0].array, `${samples.length === 1 ? "sample" : "samples"} ${which}`),
    numbers: () => dotNumbers(run, samples, channels),
  }));
  return (
    <div class="dot-plot" ref={place} style={{ width: `${size.width}px` }}>
      <div class="curve-plot">
        <ValueTicks axis={plane.axis} height={size.height} margin={edge} />
        <Canvas dots={dots} plane={plane} size={size} />
        <Ring dots={dots} plane={plane} />
      </div>
      <ChannelTicks dots={dots} plane={plane} />
    </div>
  );
}
