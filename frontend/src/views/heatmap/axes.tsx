/** Tick numbers around a drawing, and the lines that part directions and gates. */

import { type ComponentChildren } from "preact";
import { type Picture, pixelOf } from "../../drawing/picture";
import { indexTicks } from "../../drawing/ticks";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { type Drawn } from "./layout";
import { isLastOnly } from "./wording";

interface AxesProps {
  run: ShownRun;
  array: LoadedArray;
  picture: Picture;
  size: Drawn;
  children: ComponentChildren;
}

interface Tick {
  at: number;
  text: string;
}

/** Ticks of one axis: the middle of the cell that holds each index. */
function ticksAlong(count: number, pixels: number, spacing: number, at: (index: number) => number | undefined): Tick[] {
  return indexTicks(count, pixels, spacing).flatMap((index) => {
    const middle = at(index);
    return middle === undefined ? [] : [{ at: middle, text: String(index) }];
  });
}

function Across({ ticks, side, arrow }: { ticks: Tick[]; side: "top" | "bottom"; arrow: string }) {
  return (
    <div class={`ticks across ${side}`} aria-hidden="true">
      {ticks.map(({ at, text }) => (
        <span key={text} style={{ left: `${at}px` }}>
          {text}
        </span>
      ))}
      {arrow === "" ? null : <em>{arrow}</em>}
    </div>
  );
}

function Down({ ticks }: { ticks: Tick[] }) {
  return (
    <div class="ticks down" aria-hidden="true">
      {ticks.map(({ at, text }) => (
        <span key={text} style={{ top: `${at}px` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

/** The names of the two directions beside their halves, and the line between them. */
function Directions({ run, picture, size }: Pick<AxesProps, "run" | "picture" | "size">) {
  const middle = (picture.columnsBefore / picture.height) * size.height;
  const [forward, backward] = run.layer.directions;
  return (
    <>
      <div class="divider across" style={{ top: `${middle}px` }} />
      <div class="directions" aria-hidden="true">
        <span style={{ height: `${middle}px` }}>{forward}</span>
        <span style={{ height: `${size.height - middle}px` }}>{backward}</span>
      </div>
    </>
  );
}

/** A line at the first unit of every gate but the first, and the gates' names below. */
function Gates({ run, array, size }: Pick<AxesProps, "run" | "array" | "size">) {
  const { gates } = run.layer;
  const width = size.width / gates.length;
  if (gates.length < 2 || array.full_shape[1] % gates.length !== 0) return null;
  return (
    <>
      {gates.slice(1).map((gate, before) => (
        <div key={gate} class="divider down" style={{ left: `${(before + 1) * width}px` }} />
      ))}
      <div class="gates" aria-hidden="true">
        {gates.map((gate) => (
          <span key={gate} style={{ width: `${width}px` }} title={`${gate} gate`}>
            {gate}
          </span>
        ))}
      </div>
    </>
  );
}

function timeTicks(picture: Picture, size: Drawn, timesteps: number, channel: number): Tick[] {
  const width = size.width / picture.width;
  return ticksAlong(timesteps, size.width, 55, (index) => {
    const pixel = pixelOf(picture, index, channel);
    return pixel === null ? undefined : (pixel.x + 0.5) * width;
  });
}

/** Under the drawing: the timesteps, from the right to the left for a reflected half. */
function Below({ array, picture, size }: Pick<AxesProps, "array" | "picture" | "size">) {
  if (!picture.transposed) return null;
  if (isLastOnly(array)) {
    return (
      <p class="last-only" title="The layer passes on its last output alone, as with return_sequences=False">
        only the last timestep exists
      </p>
    );
  }
  const [rows, columns] = array.full_shape;
  const ticks = timeTicks(picture, size, rows, columns - 1);
  return <Across ticks={ticks} side="bottom" arrow={picture.reflected ? "\u2190 t" : ""} />;
}

function downTicks(picture: Picture, size: Drawn, count: number): Tick[] {
  const height = size.height / picture.height;
  return ticksAlong(count, size.height, 34, (index) => {
    const pixel = picture.transposed ? pixelOf(picture, 0, index) : pixelOf(picture, index, 0);
    return pixel === null ? undefined : (pixel.y + 0.5) * height;
  });
}

export function Axes({ run, array, picture, size, children }: AxesProps) {
  const [rows, columns] = array.full_shape;
  const bidirectional = picture.transposed && run.layer.directions.length > 1;
  const { reflected } = picture;
  return (
    <div class={bidirectional ? "axes bidirectional" : "axes"}>
      {reflected && !isLastOnly(array) ? (
        <Across ticks={timeTicks(picture, size, rows, 0)} side="top" arrow={"t \u2192"} />
      ) : null}
      <Down ticks={downTicks(picture, size, picture.transposed ? columns : rows)} />
      <div class="plot" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {children}
        {bidirectional ? <Directions run={run} picture={picture} size={size} /> : null}
        {picture.transposed ? null : <Gates run={run} array={array} size={size} />}
      </div>
      <Below array={array} picture={picture} size={size} />
    </div>
  );
}
