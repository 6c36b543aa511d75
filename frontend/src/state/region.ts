/**
 * What of every array is in sight: all of it, or the region that was zoomed to. It is counted in places, as the drawings
 * have them: timesteps in each direction's own time, and channels in the order in which they stand.
 */

import { computed, signal } from "@preact/signals";
import { mirrored, type Range } from "../drawing/cell_array";
import { type Sight } from "../drawing/picture";
import { choices, choose } from "./choices";
import { shownSeries } from "./series";

export interface Size {
  timesteps: number;
  channels: number;
}

/** The size of the largest array that is shown; null until it is known. */
export const largestSize = computed<Size | null>(() => {
  const shapes = shownSeries.value.flatMap(({ series }) => series.shapes ?? []).filter(({ length }) => length === 3);
  if (shapes.length === 0) return null;
  return {
    timesteps: shapes.reduce((most, [, timesteps]) => Math.max(most, timesteps), 0),
    channels: shapes.reduce((most, [, , channels]) => Math.max(most, channels), 0),
  };
});

/** While a person drags or turns the wheel; the address changes only once that has come to rest. */
const moving = signal<Sight | null>(null);

export const region = computed<Sight | null>(() => moving.value ?? choices.value.region);

const restAfter = 250;
let resting = 0;

function within([first, last]: Range, count: number): Range {
  const length = Math.max(1, Math.min(count, Math.round(last) - Math.round(first) + 1));
  const start = Math.max(0, Math.min(count - length, Math.round(first)));
  return [start, start + length - 1];
}

function isWhole({ rows, columns }: Sight, { timesteps, channels }: Size): boolean {
  return rows[0] <= 0 && columns[0] <= 0 && rows[1] >= timesteps - 1 && columns[1] >= channels - 1;
}

/** Everything that there is, as a region. */
function wholeOf({ timesteps, channels }: Size): Sight {
  return { rows: [0, timesteps - 1], columns: [0, channels - 1] };
}

export function showWhole(): void {
  window.clearTimeout(resting);
  moving.value = null;
  if (choices.value.region !== null) choose({ region: null });
}

function rest(): void {
  window.clearTimeout(resting);
  const size = largestSize.peek();
  const at = moving.peek();
  if (at === null || size === null) return;
  choose({ region: isWhole(at, size) ? null : at });
  moving.value = null;
}

/** Shows a region at once; the address says so once nothing more has come for a moment. */
export function moveTo(wished: Sight): void {
  const size = largestSize.peek();
  if (size === null) return;
  const now = region.peek();
  const next = { rows: within(wished.rows, size.timesteps), columns: within(wished.columns, size.channels) };
  window.clearTimeout(resting);
  resting = window.setTimeout(rest, restAfter);
  if (now?.rows.join() === next.rows.join() && now.columns.join() === next.columns.join()) return;
  moving.value = next;
}

/** Shows a region for good. */
export function zoomTo(wished: Sight): void {
  moveTo(wished);
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
export function zoomBy(times: number, at?: { row: number; column: number }): void {
  const size = largestSize.peek();
  if (size === null) return;
  const { rows, columns } = region.peek() ?? wholeOf(size);
  moveTo({
    rows: scaled(rows, at?.row ?? (rows[0] + rows[1]) / 2, times),
    columns: scaled(columns, at?.column ?? (columns[0] + columns[1]) / 2, times),
  });
}

/** Moves what is in sight by so many places. */
export function panBy(rows: number, columns: number): void {
  const now = region.peek();
  if (now === null) return;
  moveTo({
    rows: [now.rows[0] + rows, now.rows[1] + rows],
    columns: [now.columns[0] + columns, now.columns[1] + columns],
  });
}

/** As much of the region as an array of this size has; null where it is the whole of it. */
export function sightWithin(fullRows: number, fullColumns: number): Sight | null {
  if (region.value === null) return null;
  const { rows, columns } = region.value;
  const clip = ([first, last]: Range, count: number): Range => [first, Math.min(last, count - 1)];
  const clipped = { rows: clip(rows, fullRows), columns: clip(columns, fullColumns) };
  return isWhole(clipped, { timesteps: fullRows, channels: fullColumns }) ? null : clipped;
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
export function covers(array: Covered, reflect: boolean): boolean {
  const { rowSpan, columnSpan, fullRows, fullColumns, split } = array;
  const sight = sightWithin(fullRows, fullColumns) ?? wholeOf({ timesteps: fullRows, channels: fullColumns });
  if (!contains(columnSpan, sight.columns)) return false;
  const [before, after] = split === null ? [true, false] : [sight.columns[0] < split, sight.columns[1] >= split];
  const turned = array.reflected === (reflect && split !== null) ? sight.rows : mirrored(sight.rows, fullRows);
  return (!before || contains(rowSpan, sight.rows)) && (!after || contains(rowSpan, turned));
}
