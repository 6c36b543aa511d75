/**
 * The norms of a gradient as a picture: training steps to the right, down how many timesteps back. What does not fit is
 * pooled by the largest norm, NaN above Inf above all others. Where there is no profile nothing is painted.
 */

import { type Range } from "./cell_array";
import { type Colouring, paintCells } from "./heatmap";

/** Norms at every timestep of every step, as they are logged. */
export interface NormProfiles {
  direction: string;
  steps: readonly number[];
  /** Of each step: its timesteps, and how many of them a point stands for. */
  timesteps: readonly number[];
  blocks: readonly number[];
  /** Row-major, a row for each step. */
  norms: Float32Array;
  shape: readonly [number, number];
}

/** Columns of equal width: column i is of the steps from first + (i − ½)·interval on, before first + (i + ½)·interval. */
export interface StepAxis {
  first: number;
  last: number;
  interval: number;
  columns: number;
}

/** Rows from the end of the direction's time on: row i is of the lags from i·block on, before (i + 1)·block. */
export interface LagAxis {
  timesteps: number;
  block: number;
  rows: number;
}

function smallestGap(steps: readonly number[]): number {
  return steps.reduce((gap, step, i) => (i === 0 ? gap : Math.min(gap, step - steps[i - 1])), Infinity);
}

/** One axis for all the lists: a column a step where they are evenly spaced and few enough. */
export function stepAxis(lists: readonly (readonly number[])[], mostColumns: number): StepAxis {
  const ends = lists.flatMap((steps) => (steps.length === 0 ? [] : [steps[0], steps[steps.length - 1]]));
  if (ends.length === 0) return { first: 0, last: 0, interval: 1, columns: 0 };
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  const gap = Math.min(...lists.map(smallestGap), Infinity);
  // Runs of a single step each.
  if (gap === Infinity) return { first, last, interval: Math.max(1, last - first), columns: first === last ? 1 : 2 };
  const columns = Math.min(Math.max(2, mostColumns), Math.round((last - first) / gap) + 1);
  return { first, last, interval: (last - first) / (columns - 1), columns };
}

export function lagAxis(profiles: readonly Pick<NormProfiles, "timesteps">[], mostRows: number): LagAxis {
  const timesteps = profiles.reduce((most, one) => Math.max(most, ...one.timesteps), 0);
  const block = Math.max(1, Math.ceil(timesteps / Math.max(1, mostRows)));
  return { timesteps, block, rows: Math.ceil(timesteps / block) };
}

/** How far along the axis a step lies, 0 at its left edge, 1 at its right. */
export function placeOfStep({ first, interval, columns }: StepAxis, step: number): number {
  return ((step - first) / interval + 0.5) / columns;
}

export function columnOfStep(axis: StepAxis, step: number): number {
  return Math.max(0, Math.min(axis.columns - 1, Math.floor(placeOfStep(axis, step) * axis.columns)));
}

/** For each column the steps in it, by index; where there are none, the nearest; null beyond the first and the last. */
export function stepsOfColumns(steps: readonly number[], axis: StepAxis): (Range | null)[] {
  const { first, interval, columns } = axis;
  let next = 0;
  return Array.from({ length: columns }, (_, column) => {
    const middle = first + column * interval;
    while (next < steps.length && steps[next] < middle - interval / 2) next++;
    const from = next;
    while (next < steps.length && steps[next] < middle + interval / 2) next++;
    if (next > from) return [from, next - 1];
    if (from === 0 || from === steps.length) return null;
    const nearest = middle - steps[from - 1] <= steps[from] - middle ? from - 1 : from;
    return [nearest, nearest];
  });
}

/** The timesteps of a row at a step that has so many; null where it has no such lags. */
export function timestepsOfRow(row: number, { block }: LagAxis, timesteps: number, direction: string): Range | null {
  const [near, far] = [row * block, Math.min((row + 1) * block, timesteps) - 1];
  if (near >= timesteps) return null;
  return direction === "backward" ? [near, far] : [timesteps - 1 - far, timesteps - 1 - near];
}

export interface FlowPicture {
  width: number;
  height: number;
  cells: Float32Array;
  /** For each column, how many of its rows there are. */
  filled: Uint16Array;
  /** For each column, the steps that it shows, by index. */
  steps: (Range | null)[];
}

/** A column's norms, into the picture's cells; without signs the bits of floats order as the floats do. */
function fillColumn(profiles: NormProfiles, step: number, lags: LagAxis, out: Uint32Array, at: number, width: number) {
  const { norms, shape, direction, timesteps, blocks } = profiles;
  const bits = new Uint32Array(norms.buffer, norms.byteOffset, norms.length);
  const line = step * shape[1];
  for (let row = 0; row < lags.rows; row++) {
    const range = timestepsOfRow(row, lags, timesteps[step], direction);
    if (range === null) return row;
    const [from, to] = [Math.floor(range[0] / blocks[step]), Math.floor(range[1] / blocks[step])];
    for (let point = from; point <= to; point++) {
      const place = row * width + at;
      if (bits[line + point] > out[place]) out[place] = bits[line + point];
    }
  }
  return lags.rows;
}

export function flowPicture(profiles: NormProfiles, axis: StepAxis, lags: LagAxis): FlowPicture {
  const { columns: width } = axis;
  const cells = new Float32Array(width * lags.rows);
  const out = new Uint32Array(cells.buffer);
  const filled = new Uint16Array(width);
  const steps = stepsOfColumns(profiles.steps, axis);
  steps.forEach((range, column) => {
    for (let step = range?.[0] ?? 0; step <= (range?.[1] ?? -1); step++) {
      filled[column] = Math.max(filled[column], fillColumn(profiles, step, lags, out, column, width));
    }
  });
  return { width, height: lags.rows, cells, filled, steps };
}

export function paintFlow(canvas: HTMLCanvasElement, picture: FlowPicture, colouring: Colouring): void {
  const { width, height, cells, filled } = picture;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null || width === 0 || height === 0) return;
  const image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  paintCells(cells, colouring, words);
  for (let column = 0; column < width; column++) {
    for (let row = filled[column]; row < height; row++) words[row * width + column] = 0;
  }
  context.putImageData(image, 0, 0);
}
