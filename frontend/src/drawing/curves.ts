/** Draws values over timesteps as lines. Draws only what a pixel can show, and leaves a gap where a value is not finite. */

import { heightOf, type ValueAxis } from "./value_axis";

/** What a canvas path and a test's record of one have in common. */
export interface Path {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

export interface Curve {
  values: Float32Array;
  /** How many timesteps each value stands for. */
  block: number;
  colour: string;
  /** 0 to 1: many curves in one place are to be told from few. */
  opacity: number;
}

/** The part of the plane that is in sight, and the pixels that it is drawn into. */
export interface Plane {
  /** Timesteps at the left and right edges. */
  first: number;
  last: number;
  axis: ValueAxis;
  /** In device pixels. */
  width: number;
  height: number;
  /** Left free on every side, so that no line is cut in half by the edge. */
  inset: number;
}

export function xOf({ first, last, width, inset }: Plane, timestep: number): number {
  if (first === last) return width / 2;
  return inset + ((timestep - first) / (last - first)) * (width - 2 * inset);
}

export function yOf({ axis, height, inset }: Plane, value: number): number {
  return inset + (1 - heightOf(axis, value)) * (height - 2 * inset);
}

/** The timestep under a pixel, within what is in sight. */
export function timestepAt({ first, last, width, inset }: Plane, x: number): number {
  if (first === last) return first;
  const share = (x - inset) / (width - 2 * inset);
  return Math.round(first + Math.max(0, Math.min(1, share)) * (last - first));
}

/** Half as long as a value alone between gaps is drawn: a point without length would not be seen. */
const dash = 1.5;

/** Values at their own places, joined by straight lines. */
function traceEach(path: Path, values: Float32Array, from: number, to: number, x: (i: number) => number, plane: Plane) {
  for (let i = from; i <= to; i++) {
    if (!Number.isFinite(values[i])) continue;
    const y = yOf(plane, values[i]);
    if (i > from && Number.isFinite(values[i - 1])) path.lineTo(x(i), y);
    else if (i < to && Number.isFinite(values[i + 1])) path.moveTo(x(i), y);
    else {
      path.moveTo(x(i) - dash, y);
      path.lineTo(x(i) + dash, y);
    }
  }
}

/** Of each column of pixels the first, smallest, largest and last value. A column with a gap ends the line. */
function traceExtremes(
  path: Path,
  values: Float32Array,
  from: number,
  to: number,
  x: (i: number) => number,
  plane: Plane,
) {
  let isDown = false;
  for (let i = from; i <= to;) {
    const column = Math.floor(x(i));
    let [low, high, first, last] = [Infinity, -Infinity, NaN, NaN];
    let hasGap = false;
    for (; i <= to && Math.floor(x(i)) === column; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) {
        hasGap = true;
        continue;
      }
      if (Number.isNaN(first)) first = value;
      last = value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (Number.isNaN(first)) {
      isDown = false;
      continue;
    }
    if (isDown) path.lineTo(column + 0.5, yOf(plane, first));
    else path.moveTo(column + 0.5, yOf(plane, first));
    for (const value of [low, high, last]) path.lineTo(column + 0.5, yOf(plane, value));
    isDown = !hasGap;
  }
}

/** The curve's line within the plane. */
export function traceCurve(path: Path, { values, block }: Pick<Curve, "values" | "block">, plane: Plane): void {
  const middle = (block - 1) / 2;
  const x = (i: number) => xOf(plane, i * block + middle);
  // One value beyond each edge, so that the line runs on to it.
  const from = Math.max(0, Math.floor((plane.first - middle) / block));
  const to = Math.min(values.length - 1, Math.ceil((plane.last - middle) / block));
  if (to - from > 2 * plane.width) traceExtremes(path, values, from, to, x, plane);
  else traceEach(path, values, from, to, x, plane);
}

export interface Look {
  lineWidth: number;
  /** The colour of the line at zero; null for none. */
  zero: string | null;
}

export function paintCurves(canvas: HTMLCanvasElement, curves: readonly Curve[], plane: Plane, look: Look): void {
  const { width, height } = plane;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  context.globalAlpha = 1;
  const zero = Math.floor(yOf(plane, 0));
  if (look.zero !== null && zero >= 0 && zero < height) {
    context.fillStyle = look.zero;
    context.fillRect(0, zero, width, 1);
  }
  context.lineWidth = look.lineWidth;
  // As sharp as the data, and several times cheaper than round ones.
  context.lineJoin = "bevel";
  for (const curve of curves) {
    context.strokeStyle = curve.colour;
    context.globalAlpha = curve.opacity;
    context.beginPath();
    traceCurve(context, curve, plane);
    context.stroke();
  }
}
