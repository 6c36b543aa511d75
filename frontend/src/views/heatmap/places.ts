/** Channels by their numbers, and by the places at which they stand in a drawing. */

import { type Range } from "../../drawing/cell_array";
import { cellAt, type Picture, pixelOf } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";

type Ordered = Pick<LoadedArray, "channels" | "first_column">;

/** The channel that stands at a place. */
export function channelAt({ channels, first_column: first }: Ordered, place: number): number {
  return channels?.[place - first] ?? place;
}

/** Where a channel stands; −1 where it is not in the region that was fetched. */
export function placeOf({ channels, first_column: first }: Ordered, channel: number): number {
  if (channels === null) return channel;
  const at = channels.indexOf(channel);
  return at < 0 ? -1 : first + at;
}

/** The channels at some places, in the order in which they stand. */
export function channelsAt(array: Ordered, [first, last]: Range): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => channelAt(array, first + i));
}

/** The pixel of a timestep and channel (of a row and column of a matrix); null where it is not in sight. */
export function pixelOfCell(
  array: LoadedArray,
  picture: Picture,
  row: number,
  column: number,
): { x: number; y: number } | null {
  return pixelOf(picture, row, placeOf(array, column));
}

/** The first timestep and channel that a pixel stands for. */
export function cellAtPixel(
  array: LoadedArray,
  picture: Picture,
  x: number,
  y: number,
): { row: number; column: number } {
  const { rows, columns } = cellAt(picture, x, y);
  return { row: rows[0], column: channelAt(array, columns[0]) };
}
