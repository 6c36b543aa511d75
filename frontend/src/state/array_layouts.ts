/** In which size, region and order arrays are asked for. */

import { type ArrayLayout, asItIs } from "../api";
import { type Range } from "../drawing/cell_array";
import { type Sight } from "../drawing/picture";
import { choices } from "./choices";
import { areDifferences } from "./columns";
import { needs } from "./needs";
import { shapeOf } from "./matrix_shapes";
import { sightWithin } from "./region";
import { samples, type SeriesOfRun } from "./series";

export interface DevicePixels {
  width: number;
  height: number;
}

const mostPixels = 8192;
const grain = 256;

/** Rounded up, so that dragging the window's edge does not fetch everything again at every pixel. */
function rounded(pixels: number): number {
  return Math.min(mostPixels, Math.max(1, Math.ceil(pixels / grain)) * grain);
}

/**
 * How many columns to ask for when two directions share them: no pooled column may hold channels of both, so the block
 * must divide the units.
 */
export function columnsToAsk(columns: number, room: number, units: number | null): number | null {
  if (columns <= room) return null;
  if (units === null) return room;
  let block = Math.ceil(columns / room);
  while (units % block !== 0) block--;
  return block === 1 ? null : columns / block;
}

/** A little more than is in sight, to round places: what is panned by a little is there already. */
export function snapped([first, last]: Range, count: number): Range {
  const unit = Math.max(1, 2 ** Math.floor(Math.log2(last - first + 1)) / 4);
  return [Math.floor(first / unit) * unit, Math.min(count, Math.ceil((last + 1) / unit) * unit) - 1];
}

/** So that what is in sight of the fetched places has a cell for each pixel. */
function pooledTo(fetched: Range, inSight: Range, room: number): number | null {
  const length = fetched[1] - fetched[0] + 1;
  const most = Math.ceil((length * room) / (inSight[1] - inSight[0] + 1));
  return length <= most ? null : Math.min(mostPixels, most);
}

/** Of views that draw whole arrays, each channel for itself. */
function wholeLayout(timesteps: number, channels: number, room: DevicePixels, units: number | null): ArrayLayout {
  const [width, height] = [rounded(room.width), rounded(room.height)];
  const maxColumns = columnsToAsk(channels, height, units);
  return { ...asItIs, maxRows: timesteps > width ? width : null, maxColumns };
}

/** What is fetched of an array for a region of it; null where it has nothing of the region. */
function regionLayout(
  sight: Sight,
  [fullRows, fullColumns]: readonly [number, number],
  [rowRoom, columnRoom]: readonly [number, number],
): Pick<ArrayLayout, "maxRows" | "maxColumns" | "region"> | null {
  if (sight.rows[0] > sight.rows[1] || sight.columns[0] > sight.columns[1]) return null;
  const rows = snapped(sight.rows, fullRows);
  const columns = snapped(sight.columns, fullColumns);
  return {
    maxRows: pooledTo(rows, sight.rows, rowRoom),
    maxColumns: pooledTo(columns, sight.columns, columnRoom),
    region: {
      firstRow: rows[0],
      rows: rows[1] - rows[0] + 1,
      firstColumn: columns[0],
      columns: columns[1] - columns[0] + 1,
    },
  };
}

/** Of views that zoom and sort. Where the whole array has a pixel a cell anyway, zooming needs no other. */
function arrangedLayout(
  [timesteps, channels]: readonly [number, number],
  room: DevicePixels,
  split: number | null,
  inRegion: boolean,
): ArrayLayout {
  const { sort, across, reflect } = choices.value;
  const sides = [rounded(room.width), rounded(room.height)];
  const [timeRoom, channelRoom] = across === "channels" ? sides.reverse() : sides;
  const order = sort === "number" ? null : { by: sort, sample: samples.value.at(0) ?? 0 };
  const isPooled = timesteps > timeRoom || channels > channelRoom;
  const sight = inRegion && isPooled ? sightWithin(null, timesteps, channels) : null;
  const within = sight === null ? null : regionLayout(sight, [timesteps, channels], [timeRoom, channelRoom]);
  if (within === null) {
    const maxRows = timesteps > timeRoom ? timeRoom : null;
    return { ...asItIs, maxRows, maxColumns: channels > channelRoom ? channelRoom : null, split, order };
  }
  return { ...within, split, reflect: reflect && split !== null, order };
}

/**
 * How the region of a matrix that was zoomed into is asked for; null where what comes of all matrices will do: it is
 * whole, has a pixel a cell anyway, or its shape is not known yet.
 */
export function matrixRegionLayout(run: SeriesOfRun, matrix: string, room: DevicePixels): ArrayLayout | null {
  const shape = shapeOf(run.run, run.layer.layer, matrix);
  const sides = [rounded(room.height), rounded(room.width)] as const;
  if (areDifferences.value || shape === null || (shape[0] <= sides[0] && shape[1] <= sides[1])) return null;
  const sight = sightWithin(matrix, ...shape);
  const within = sight === null ? null : regionLayout(sight, shape, sides);
  return within === null ? null : { ...asItIs, ...within };
}

/** How a run's arrays of a step are asked for; `inRegion` false: the whole of them, whatever was zoomed to. */
export function layoutOf(run: SeriesOfRun, step: number, room: DevicePixels, inRegion: boolean): ArrayLayout {
  // The largest of a block's values says nothing of the largest difference in it.
  if (areDifferences.value) return asItIs;
  const shape = run.series.shapes?.at(run.series.steps.indexOf(step));
  // The series does not tell a matrix's shape; the server pools only what is larger.
  if (run.quantity.kind === "matrices" || shape?.length !== 3) {
    return { ...asItIs, maxRows: rounded(room.height), maxColumns: rounded(room.width) };
  }
  const [, timesteps, channels] = shape;
  const units = run.layer.directions.length > 1 ? channels / 2 : null;
  if (needs.value.arranges !== true) return wholeLayout(timesteps, channels, room, units);
  return arrangedLayout([timesteps, channels], room, units, inRegion);
}
