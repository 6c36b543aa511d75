/** Tick numbers around a drawing, and the lines that part directions and gates. */

import { type ComponentChildren } from "preact";
import { type Range } from "../../drawing/cell_array";
import { isTurned, type Part, type Picture } from "../../drawing/picture";
import { rangeTicks } from "../../drawing/ticks";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { gatesOf } from "../../state/matrix_gates";
import { type GatePiece, gatePieces } from "./gate_pieces";
import { type Drawn } from "./layout";
import { sightIn } from "./pictures";
import { PinMarks } from "./pin_marks";
import { channelAt } from "./places";
import { isLastOnly } from "./wording";

interface AxesProps {
  run: ShownRun;
  array: LoadedArray;
  picture: Picture;
  size: Drawn;
  /** What stands right above and right beside the drawing. */
  top: ComponentChildren;
  right: ComponentChildren;
  children: ComponentChildren;
}

interface Tick {
  at: number;
  text: string;
}

/** Ticks over some pixels: each in the middle of the pixel that holds its index. */
function ticksOver(ranges: readonly Range[], pixel: number, spacing: number, text: (index: number) => number): Tick[] {
  if (ranges.length === 0) return [];
  const [first, last] = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
  return rangeTicks(first, last, ranges.length * pixel, spacing).flatMap((index) => {
    const at = ranges.findIndex(([low, high]) => low <= index && index <= high);
    return at < 0 ? [] : [{ at: (at + 0.5) * pixel, text: String(text(index)) }];
  });
}

const apart = { across: 55, down: 34, units: 22 };

/** How large one of the picture's pixels is along its rows and across them. */
function pixelSize({ width, height, transposed }: Picture, size: Drawn): { along: number; across: number } {
  const [x, y] = [size.width / width, size.height / height];
  return transposed ? { along: x, across: y } : { along: y, across: x };
}

function rowTicks(picture: Picture, size: Drawn, part: Part | undefined): Tick[] {
  if (part === undefined) return [];
  const spacing = picture.transposed ? apart.across : apart.down;
  return ticksOver(part.rows, pixelSize(picture, size).along, spacing, (row) => row);
}

/** Channels are numbered as they are called, wherever they stand. */
function columnTicks(array: LoadedArray, picture: Picture, size: Drawn): Tick[] {
  const spacing = picture.transposed ? apart.down : apart.across;
  const columns = picture.parts.flatMap((part) => part.columns);
  return ticksOver(columns, pixelSize(picture, size).across, spacing, (place) => channelAt(array, place));
}

function Across({ ticks, side, arrow }: { ticks: Tick[]; side: "top" | "bottom"; arrow: string }) {
  return (
    <div class={`ticks across ${side}`} aria-hidden="true">
      {ticks.map(({ at, text }) => (
        <span key={at} style={{ left: `${at}px` }}>
          {text}
        </span>
      ))}
      {arrow === "" ? null : <em>{arrow}</em>}
    </div>
  );
}

function Down({ ticks, side = "left", arrow = "" }: { ticks: Tick[]; side?: "left" | "right"; arrow?: string }) {
  return (
    <div class={`ticks down ${side}`} aria-hidden="true">
      {ticks.map(({ at, text }) => (
        <span key={text} style={{ top: `${at}px` }}>
          {text}
        </span>
      ))}
      {arrow === "" ? null : <em>{arrow}</em>}
    </div>
  );
}

/** What "backward" takes when it is written upwards, in CSS pixels. */
const lengthOfName = 52;

/** A direction's name beside its half; its initial where that has few rows. */
function DirectionName({ name, transposed, extent }: { name: string; transposed: boolean; extent: number }) {
  const isShort = transposed && extent < lengthOfName;
  return (
    <span
      class={isShort ? "initial" : undefined}
      title={isShort ? name : undefined}
      style={{ [transposed ? "height" : "width"]: `${extent}px` }}
    >
      {isShort ? name.charAt(0) : name}
    </span>
  );
}

/** The names of the two directions beside their halves, and the line between them. */
function Directions({ run, picture, size }: Pick<AxesProps, "run" | "picture" | "size">) {
  const { transposed, parts, columnsBefore } = picture;
  const length = transposed ? size.height : size.width;
  const all = transposed ? picture.height : picture.width;
  const middle = (columnsBefore / Math.max(1, all)) * length;
  const [forward, backward] = run.layer.directions;
  return (
    <>
      {parts.length < 2 ? null : (
        <div
          class={transposed ? "divider across" : "divider down"}
          style={{ [transposed ? "top" : "left"]: `${middle}px` }}
        />
      )}
      <div class={transposed ? "directions" : "directions below"} aria-hidden="true">
        {middle > 0 ? <DirectionName name={forward} transposed={transposed} extent={middle} /> : null}
        {middle < length ? <DirectionName name={backward} transposed={transposed} extent={length - middle} /> : null}
      </div>
    </>
  );
}

/** A line at the first unit of every gate but the first in sight, and the gates' names below. */
function Gates({ pieces, pixel }: { pieces: readonly GatePiece[]; pixel: number }) {
  return (
    <>
      {pieces.slice(1).map(({ gate, from }) => (
        <div key={gate} class="divider down" style={{ left: `${from * pixel}px` }} />
      ))}
      <div class="gates" aria-hidden="true">
        {pieces.map(({ gate, from, to }) => (
          <span key={gate} style={{ width: `${(to - from) * pixel}px` }} title={`${gate} gate`}>
            {gate}
          </span>
        ))}
      </div>
    </>
  );
}

/** Units are counted within their gate; where two gates meet, numbers that would run into each other give way. */
function unitTicks(columns: readonly Range[], pieces: readonly GatePiece[], pixel: number): Tick[] {
  const ticks = pieces.flatMap(({ from, to, firstColumn }) => {
    const [start, end] = [Math.ceil(from), Math.ceil(to)];
    const within = ticksOver(columns.slice(start, end), pixel, apart.across, (column) => column - firstColumn);
    return within.map(({ at, text }) => ({ at: start * pixel + at, text }));
  });
  return ticks.filter(({ at }, i) => i === 0 || at - ticks[i - 1].at >= apart.units);
}

const arrows = { across: ["t \u2192", "\u2190 t"], down: ["t \u2193", "t \u2191"] } as const;

/** Which way time runs in a part; said only where the halves run either way. */
function arrowOf(picture: Picture, part: Part | undefined, way: keyof typeof arrows): string {
  if (!picture.reflected || part === undefined) return "";
  return arrows[way][isTurned(picture, part) ? 1 : 0];
}

/** The parts that say their own time: both where they run either way, else either serves. */
function timedParts(picture: Picture): { near: Part | undefined; far: Part | undefined } {
  const [first, last] = [picture.parts.at(0), picture.parts.at(-1)];
  return picture.reflected && first !== last ? { near: first, far: last } : { near: undefined, far: last };
}

/** Channels down, timesteps to the right: a reflected half has its numbers below, the other above. */
function SequenceAxes(props: AxesProps) {
  const { run, array, picture, size, top, right, children } = props;
  const { near, far } = timedParts(picture);
  const single = isLastOnly(array);
  return (
    <>
      {near === undefined || single ? null : (
        <Across ticks={rowTicks(picture, size, near)} side="top" arrow={arrowOf(picture, near, "across")} />
      )}
      {top}
      <Down ticks={columnTicks(array, picture, size)} />
      <div class="plot" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {children}
        {right}
        <PinMarks array={array} picture={picture} size={size} />
        {run.layer.directions.length > 1 ? <Directions run={run} picture={picture} size={size} /> : null}
      </div>
      {single ? (
        <p class="last-only" title="The layer passes on its last output alone, as with return_sequences=False">
          only the last timestep exists
        </p>
      ) : (
        <Across ticks={rowTicks(picture, size, far)} side="bottom" arrow={arrowOf(picture, far, "across")} />
      )}
    </>
  );
}

/** Timesteps down, channels to the right: a reflected half has its numbers to the right, the other to the left. */
function TurnedAxes(props: AxesProps) {
  const { run, array, picture, size, top, right, children } = props;
  const { near, far } = timedParts(picture);
  const left = near ?? far;
  return (
    <>
      {top}
      <Down ticks={rowTicks(picture, size, left)} arrow={arrowOf(picture, left, "down")} />
      <div class="plot" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {children}
        {right}
        <PinMarks array={array} picture={picture} size={size} />
        {near === undefined ? null : (
          <Down ticks={rowTicks(picture, size, far)} side="right" arrow={arrowOf(picture, far, "down")} />
        )}
        {run.layer.directions.length > 1 ? <Directions run={run} picture={picture} size={size} /> : null}
        <Across ticks={columnTicks(array, picture, size)} side="bottom" arrow="" />
      </div>
    </>
  );
}

/** A matrix: inputs down, gates and units to the right. */
function MatrixAxes({ run, array, picture, size, top, children }: AxesProps) {
  const part = picture.parts.at(0);
  const columns = part?.columns ?? [];
  const [, width] = array.full_shape;
  const pieces = gatePieces(gatesOf(run.layer, array.matrix ?? "", width), width, columns);
  const pixel = pixelSize(picture, size).across;
  const hasGates = pieces.length > 0;
  const units = hasGates ? unitTicks(columns, pieces, pixel) : columnTicks(array, picture, size);
  return (
    <>
      {top}
      <Down ticks={rowTicks(picture, size, part)} />
      <div class="plot" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {children}
        {hasGates ? <Gates pieces={pieces} pixel={pixel} /> : null}
      </div>
      {isPart(array) ? <Across ticks={units} side="bottom" arrow="" /> : null}
    </>
  );
}

/** Of a whole matrix the gates say where one is; of a part, the numbers of units too. */
function isPart(array: LoadedArray): boolean {
  return sightIn(array) !== null;
}

export function Axes(props: AxesProps) {
  const { run, array, picture, right } = props;
  const isMatrix = array.matrix !== null;
  const bidirectional = !isMatrix && run.layer.directions.length > 1;
  const kind = isMatrix ? (isPart(array) ? " part" : "") : picture.transposed ? " sequence" : " turned";
  const classes = `axes${kind}${bidirectional ? " bidirectional" : ""}${right === null ? "" : " with-marginals"}`;
  const Kind = isMatrix ? MatrixAxes : picture.transposed ? SequenceAxes : TurnedAxes;
  return (
    <div class={classes}>
      <Kind {...props} />
    </div>
  );
}
