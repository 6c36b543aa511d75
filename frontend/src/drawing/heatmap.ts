/**
 * Paints a picture through a table of 65,536 colours that is indexed by the upper 16 bits of each float32: one load a
 * cell, whatever the scale, NaN and Inf included. A bfloat16 is such an index as it stands.
 */

import { type ColourMap } from "./colour_maps";
import { colourOf, colourTable, isTableTooCoarse, type Scale } from "./colour_scale";
import { type Cells, numberOf, type Pixels } from "./picture";

export interface Colouring {
  scale: Scale;
  map: ColourMap;
}

/** Panels under one scale share one table. */
const tables = new Map<string, Uint32Array>();
const tablesKept = 16;

function tableFor({ scale, map }: Colouring): Uint32Array {
  const key = [
    map.name,
    scale.kind,
    scale.decades,
    scale.limit,
    scale.low,
    scale.high,
    scale.absolute,
    scale.range,
  ].join();
  let table = tables.get(key);
  if (table === undefined) {
    table = colourTable(scale, map);
    if (tables.size >= tablesKept) tables.delete(tables.keys().next().value ?? "");
    tables.set(key, table);
  }
  return table;
}

/** Writes one ImageData word a cell. */
export function paintCells(cells: Cells, colouring: Colouring, out: Uint32Array): void {
  if (isTableTooCoarse(colouring.scale, colouring.map)) {
    for (let i = 0; i < cells.length; i++) out[i] = colourOf(colouring.scale, colouring.map, numberOf(cells, i));
    return;
  }
  const table = tableFor(colouring);
  if (cells instanceof Uint16Array) {
    for (let i = 0; i < cells.length; i++) out[i] = table[cells[i]];
    return;
  }
  const halves = new Uint16Array(cells.buffer, cells.byteOffset, cells.length * 2);
  for (let i = 0; i < cells.length; i++) out[i] = table[halves[2 * i + 1]];
}

/** Paints one pixel a cell; the browser magnifies, pixelated. */
export function paintHeatmap(canvas: HTMLCanvasElement, picture: Pixels, colouring: Colouring): void {
  const { width, height } = picture;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d", { alpha: false });
  if (context === null || width === 0 || height === 0) return;
  const image = context.createImageData(width, height);
  paintCells(picture.cells, colouring, new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}

/** The share of the room that may stay empty for the sake of cells that are all of one size. */
const spareable = 0.1;

/**
 * How many device pixels a drawing takes along one side, no cell more than `largest`: a whole number a cell, unless that
 * would leave much of the room empty. Then it fills the room, and some cells are a pixel wider than others.
 */
export function drawnPixels(cells: number, room: number, largest: number): number {
  if (cells > room) return room;
  const fitting = Math.min(room, cells * largest);
  const even = cells * Math.max(1, Math.floor(fitting / Math.max(1, cells)));
  return even >= (1 - spareable) * fitting ? even : fitting;
}
