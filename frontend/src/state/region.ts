/**
 * What of every array is in sight: all of it, or the region that was zoomed to. It is counted in places, as the drawings
 * have them: timesteps in each direction's own time, and channels in the order in which they stand. All sequences share one
 * region; of matrices, whose shapes differ, each has its own, in all runs.
 */

import { computed, signal } from "@preact/signals";
import { mirrored, type Range } from "../drawing/cell_array";
import { type Sight } from "../drawing/picture";
import { layerName, shownRuns } from "./catalogue";
import { choices, type Choices, choose } from "./choices";
import { shapeOf } from "./matrix_shapes";
import { shownSeries } from "./series";

/** What a region is of: a matrix by its name, "forward/kernel"; null: the sequences. */
export type Subject = string | null;

/** Timesteps by channels of a sequence. */
export interface Size {
  rows: number;
  columns: number;
}

function largestOf(shapes: readonly (readonly [rows: number, columns: number])[]): Size | null {
  if (shapes.length === 0) return null;
  return {
    rows: shapes.reduce((most, [rows]) => Math.max(most, rows), 0),
    columns: shapes.reduce((most, [, columns]) => Math.max(most, columns), 0),
  };
}

/** The size of the largest sequence that is shown; null until it is known. */
export const largestSize = computed<Size | null>(() => {
  const shapes = shownSeries.value.flatMap(({ series }) => series.shapes ?? []).filter(({ length }) => length === 3);
  return largestOf(shapes.map(([, timesteps, channels]) => [timesteps, channels]));
});

function sizeOf(of: Subject): Size | null {
  if (of === null) return largestSize.value;
  const shapes = shownRuns.value.map(({ run, layer }) => shapeOf(run, layer.layer, of));
  return largestOf(shapes.filter((shape) => shape !== null));
}

interface Move {
  of: Subject;
  sight: Sight;
}

/** While a person drags or turns the wheel; the address changes only once that has come to rest. */
const moving = signal<Move | null>(null);

export function regionOf(of: Subject): Sight | null {
  const move = moving.value;
  if (move !== null && move.of === of) return move.sight;
  return of === null ? choices.value.region : (choices.value.regions[of] ?? null);
}

/** The matrices of which less than all is in sight. */
export const zoomedMatrices = computed<string[]>(() => {
  const found = new Set(Object.keys(choices.value.regions));
  const of = moving.value?.of ?? null;
  if (of !== null) found.add(of);
  return [...found];
});

const restAfter = 250;
let resting = 0;

function within([first, last]: Range, count: number): Range {
  const length = Math.max(1, Math.min(count, Math.round(last) - Math.round(first) + 1));
  const start = Math.max(0, Math.min(count - length, Math.round(first)));
  return [start, start + length - 1];
}

function isWhole({ rows, columns }: Sight, size: Size): boolean {
  return rows[0] <= 0 && columns[0] <= 0 && rows[1] >= size.rows - 1 && columns[1] >= size.columns - 1;
}

/** Everything that there is, as a region. */
function wholeOf({ rows, columns }: Size): Sight {
  return { rows: [0, rows - 1], columns: [0, columns - 1] };
}

function choosePart(of: Subject, sight: Sight | null): void {
  if (of === null) {
    choose({ region: sight });
    return;
  }
  const others = Object.entries(choices.peek().regions).filter(([matrix]) => matrix !== of);
  choose({ regions: Object.fromEntries(sight === null ? others : [...others, [of, sight]]) });
}

/** Shows all of the sequences, or of a matrix. */
export function showWhole(of: Subject): void {
  window.clearTimeout(resting);
  moving.value = null;
  if (regionOf(of) !== null) choosePart(of, null);
}

/** Shows all of every matrix. */
export function showWholeMatrices(): void {
  window.clearTimeout(resting);
  moving.value = null;
  choose({ regions: {} });
}

/** Looks at a layer, and at more where that is given. What was in sight of another layer means nothing in its arrays. */
export function chooseLayer(layer: string, others: Partial<Choices> = {}): void {
  const isAnother = layer !== layerName.peek();
  if (isAnother) {
    window.clearTimeout(resting);
    moving.value = null;
  }
  choose({ layer, ...(isAnother ? { region: null, regions: {} } : {}), ...others });
}

function rest(): void {
  window.clearTimeout(resting);
  const now = moving.peek();
  const size = now === null ? null : sizeOf(now.of);
  if (now === null || size === null) return;
  choosePart(now.of, isWhole(now.sight, size) ? null : now.sight);
  moving.value = null;
}

/** Shows a region at once; the address says so once nothing more has come for a moment. */
export function moveTo(of: Subject, wished: Sight): void {
  const size = sizeOf(of);
  if (size === null) return;
  // What is zoomed into next does not take back where another has been moved to.
  if (moving.peek()?.of !== of) rest();
  const now = regionOf(of);
  const next = { rows: within(wished.rows, size.rows), columns: within(wished.columns, size.columns) };
  window.clearTimeout(resting);
  resting = window.setTimeout(rest, restAfter);
  if (now?.rows.join() === next.rows.join() && now.columns.join() === next.columns.join()) return;
  moving.value = { of, sight: next };
}

/** Shows a region for good. */
export function zoomTo(of: Subject, wished: Sight): void {
  moveTo(of, wished);
  rest();
}

function scaled([first, last]: Range, around: number, times: number): Range {
  const length = last - first + 1;
  // At least one cell more or less, else a small region would never change.
  const next = times < 1 ? Math.min(length - 1, Math.round(length * times)) : Math.max(length + 1, length * times);
  const share = (around - first + 0.5) / length;
  const start = around + 0.5 - share * Math.max(1, next);
  return [Math.round(start), Math.round(start) + Math.max(1, Math.round(next)) - 1];
}

/** So many times as much in sight, and what is at a place stays where it is; its middle when none is given. */
export function zoomBy(of: Subject, times: number, at?: { row: number; column: number }): void {
  const size = sizeOf(of);
  if (size === null) return;
  const { rows, columns } = regionOf(of) ?? wholeOf(size);
  moveTo(of, {
    rows: scaled(rows, at?.row ?? (rows[0] + rows[1]) / 2, times),
    columns: scaled(columns, at?.column ?? (columns[0] + columns[1]) / 2, times),
  });
}

/** Moves what is in sight by so many places. */
export function panBy(of: Subject, rows: number, columns: number): void {
  const now = regionOf(of);
  if (now === null) return;
  moveTo(of, {
    rows: [now.rows[0] + rows, now.rows[1] + rows],
    columns: [now.columns[0] + columns, now.columns[1] + columns],
  });
}

/** As much of the region as an array of this size has; null where it is the whole of it. */
export function sightWithin(of: Subject, fullRows: number, fullColumns: number): Sight | null {
  const region = regionOf(of);
  if (region === null) return null;
  const { rows, columns } = region;
  const clip = ([first, last]: Range, count: number): Range => [first, Math.min(last, count - 1)];
  const clipped = { rows: clip(rows, fullRows), columns: clip(columns, fullColumns) };
  return isWhole(clipped, { rows: fullRows, columns: fullColumns }) ? null : clipped;
}

export interface Covered {
  rowSpan: Range;
  columnSpan: Range;
  fullRows: number;
  fullColumns: number;
  split: number | null;
  reflected: boolean;
}

function contains(outer: Range, inner: Range): boolean {
  return outer[0] <= inner[0] && inner[1] <= outer[1];
}

/** Whether an array holds all that is in sight of it. */
export function covers(of: Subject, array: Covered, reflect: boolean): boolean {
  const { rowSpan, columnSpan, fullRows, fullColumns, split } = array;
  const sight = sightWithin(of, fullRows, fullColumns) ?? wholeOf({ rows: fullRows, columns: fullColumns });
  if (!contains(columnSpan, sight.columns)) return false;
  const [before, after] = split === null ? [true, false] : [sight.columns[0] < split, sight.columns[1] >= split];
  const turned = array.reflected === (reflect && split !== null) ? sight.rows : mirrored(sight.rows, fullRows);
  return (!before || contains(rowSpan, sight.rows)) && (!after || contains(rowSpan, turned));
}
