/**
 * From an array to a picture: cut out what is in sight, pool what is larger than the screen, turn it the right way round,
 * fold the backward half. Done once an array and sight; a new scale or colour map only repaints the picture.
 *
 * Rows run along one side of the picture (timesteps), columns across it (channels). Where a drawing is reflected, the
 * columns after the boundary are drawn by their place in the direction's own time: row r stands at place rows − 1 − r.
 */

import { type CellArray, type Cells, columnRangesOf, meet, mirrored, type Range, rowRangesOf } from "./cell_array";
import { poolLargest, type Rectangle } from "./pooling";

export { type CellArray, type Cells, numberOf, type Range } from "./cell_array";

/** What of the full array is in sight, as places: of rows as they are drawn, and of columns. */
export interface Sight {
  rows: Range;
  columns: Range;
}

export interface Arrangement {
  /** Rows run to the right and columns down: timesteps × channels becomes channels over timesteps. */
  transposed: boolean;
  /** Full columns at which a new direction begins; no pooled cell reaches across. */
  boundary: number | null;
  /** Rows of the half after the boundary run the other way. */
  reflected: boolean;
  /** null: everything. */
  sight: Sight | null;
  /** The most device pixels that the picture may take. */
  maxWidth: number;
  maxHeight: number;
}

/** One value a pixel. */
export interface Pixels {
  width: number;
  height: number;
  cells: Cells;
}

/** The columns on one side of the boundary. */
export interface Part {
  /** Its first pixel across. */
  first: number;
  isAfter: boolean;
  /** For each pixel along: rows of the array that was given, and rows of the full array. */
  rowCells: Range[];
  rows: Range[];
  /** For each pixel across: columns of the array that was given, and places of the full array. */
  columnCells: Range[];
  columns: Range[];
}

export interface Picture extends Pixels {
  transposed: boolean;
  reflected: boolean;
  fullRows: number;
  parts: Part[];
  /** How many of the pixels across lie before the boundary; all when there is none. */
  columnsBefore: number;
}

/** What is cut out of the array for one part: indices into its rows and columns. */
interface Cut {
  isAfter: boolean;
  rows: Range;
  columns: Range;
  flipped: boolean;
}

const nothing: Range = [0, -1];

function lengthOf([first, last]: Range): number {
  return last - first + 1;
}

/** The first and the last of the ranges that meet another. */
function indicesMeeting(ranges: readonly Range[], other: Range): Range {
  const first = ranges.findIndex((range) => meet(range, other));
  return first < 0 ? nothing : [first, ranges.findLastIndex((range) => meet(range, other))];
}

function cutsOf(array: CellArray, { boundary, reflected, sight }: Arrangement): Cut[] {
  const { fullRows, fullColumns } = array;
  const inSight = sight ?? { rows: [0, fullRows - 1], columns: [0, fullColumns - 1] };
  const [rowRanges, columnRanges] = [rowRangesOf(array), columnRangesOf(array)];
  const middle = boundary ?? fullColumns;
  const parts = [
    { isAfter: false, limits: [0, middle - 1] as const },
    { isAfter: true, limits: [middle, fullColumns - 1] as const },
  ];
  return parts.flatMap(({ isAfter, limits }) => {
    const places: Range = [Math.max(limits[0], inSight.columns[0]), Math.min(limits[1], inSight.columns[1])];
    const columns = lengthOf(places) <= 0 ? nothing : indicesMeeting(columnRanges, places);
    const flipped = isAfter && reflected !== array.reflected;
    const rows = indicesMeeting(rowRanges, flipped ? mirrored(inSight.rows, fullRows) : inSight.rows);
    return lengthOf(columns) <= 0 || lengthOf(rows) <= 0 ? [] : [{ isAfter, rows, columns, flipped }];
  });
}

/** What so many neighbouring ranges make together. */
function joined(ranges: readonly Range[], first: number, block: number, last: number): Range {
  return [ranges[first][0], ranges[Math.min(last, first + block - 1)][1]];
}

interface Pooled {
  part: Part;
  source: Rectangle;
  /** For each pixel along, the source's row. */
  along: number[];
}

interface Blocks {
  row: number;
  column: number;
  /** Pixels along. */
  length: number;
}

/** Every `block` neighbours from one index to another. */
function groups([first, last]: Range, block: number): Range[] {
  const count = Math.ceil((last - first + 1) / block);
  return Array.from({ length: count }, (_, i) => [first + i * block, Math.min(last, first + (i + 1) * block - 1)]);
}

function pooledPart(array: CellArray, cut: Cut, blocks: Blocks, first: number): Pooled {
  const { cells, columns: stride, fullRows } = array;
  const [rowRanges, columnRanges] = [rowRangesOf(array), columnRangesOf(array)];
  const rectangle = {
    cells,
    start: cut.rows[0] * stride + cut.columns[0],
    stride,
    rows: lengthOf(cut.rows),
    columns: lengthOf(cut.columns),
  };
  const source = poolLargest(rectangle, blocks.row, blocks.column);
  const rowGroups = groups(cut.rows, blocks.row);
  // The other part may have a row more: none of either is left out.
  const along = Array.from({ length: blocks.length }, (_, i) => {
    const row = Math.floor((i * source.rows) / blocks.length);
    return cut.flipped ? source.rows - 1 - row : row;
  });
  const rowCells = along.map((row) => rowGroups[row]);
  const columnCells = groups(cut.columns, blocks.column);
  const rowsOf = (group: Range): Range => {
    const range = joined(rowRanges, group[0], lengthOf(group), group[1]);
    return cut.isAfter && array.reflected ? mirrored(range, fullRows) : range;
  };
  const columns = columnCells.map((group) => joined(columnRanges, group[0], lengthOf(group), group[1]));
  const part = { first, isAfter: cut.isAfter, rowCells, rows: rowCells.map(rowsOf), columnCells, columns };
  return { part, source, along };
}

/** Columns are taken 16 at a time, so that both reading and writing stay within the cache. */
const tile = 16;

function place(pooled: Pooled, picture: Pixels, transposed: boolean): void {
  const { source, along, part } = pooled;
  const { cells: from, start, stride, columns } = source;
  const { cells: out, width } = picture;
  const [stepAlong, stepAcross] = transposed ? [1, width] : [width, 1];
  for (let first = 0; first < columns; first += tile) {
    const last = Math.min(first + tile, columns);
    for (let i = 0; i < along.length; i++) {
      const line = start + along[i] * stride;
      const base = i * stepAlong + part.first * stepAcross;
      for (let column = first; column < last; column++) out[base + column * stepAcross] = from[line + column];
    }
  }
}

/** Rows and columns of the array that one pixel of the picture must stand for. */
function blocksNeeded(cuts: readonly Cut[], { transposed, maxWidth, maxHeight }: Arrangement): Blocks {
  const rows = Math.max(0, ...cuts.map((cut) => lengthOf(cut.rows)));
  const columns = cuts.reduce((sum, cut) => sum + lengthOf(cut.columns), 0);
  const row = Math.max(1, Math.ceil(rows / Math.max(1, transposed ? maxWidth : maxHeight)));
  const column = Math.max(1, Math.ceil(columns / Math.max(2, transposed ? maxHeight : maxWidth)));
  return { row, column, length: Math.ceil(rows / row) };
}

export function arrange(array: CellArray, arrangement: Arrangement): Picture {
  const { transposed, reflected } = arrangement;
  const cuts = cutsOf(array, arrangement);
  const blocks = blocksNeeded(cuts, arrangement);
  const pooled: Pooled[] = [];
  let across = 0;
  for (const cut of cuts) {
    pooled.push(pooledPart(array, cut, blocks, across));
    across += Math.ceil(lengthOf(cut.columns) / blocks.column);
  }
  const size = blocks.length * across;
  const cells = array.cells instanceof Float32Array ? new Float32Array(size) : new Uint16Array(size);
  const picture = {
    width: transposed ? blocks.length : across,
    height: transposed ? across : blocks.length,
    cells,
    transposed,
    reflected: reflected && arrangement.boundary !== null,
    fullRows: array.fullRows,
    parts: pooled.map(({ part }) => part),
    columnsBefore: pooled.filter(({ part }) => !part.isAfter).reduce((sum, { part }) => sum + part.columns.length, 0),
  };
  for (const one of pooled) place(one, picture, transposed);
  return picture;
}

/** The part that a pixel across lies in. */
export function partAt({ parts }: Picture, across: number): Part | undefined {
  return parts.findLast(({ first }) => first <= across);
}

/** Whether a part is drawn by its own time. */
export function isTurned({ reflected }: Picture, { isAfter }: Part): boolean {
  return reflected && isAfter;
}

/** Which cells of the full array a pixel stands for. */
export function cellAt(picture: Picture, x: number, y: number): { rows: Range; columns: Range } {
  const across = picture.transposed ? y : x;
  const along = picture.transposed ? x : y;
  const part = partAt(picture, across);
  if (part === undefined) return { rows: nothing, columns: nothing };
  return { rows: part.rows[along], columns: part.columns[across - part.first] };
}

function indexIn(ranges: readonly Range[], index: number): number {
  return ranges.findIndex(([first, last]) => first <= index && index <= last);
}

/** The pixel in which a cell of the full array is drawn; null when it is not in sight or the array has no such cell. */
export function pixelOf(picture: Picture, row: number, column: number): { x: number; y: number } | null {
  for (const { first, rows, columns } of picture.parts) {
    const across = indexIn(columns, column);
    const along = across < 0 ? -1 : indexIn(rows, row);
    if (along < 0) continue;
    return picture.transposed ? { x: along, y: first + across } : { x: first + across, y: along };
  }
  return null;
}

/** What of the full array a rectangle of pixels shows, as places. */
export function sightOf(picture: Picture, from: { x: number; y: number }, to: { x: number; y: number }): Sight {
  const ends = [from, to].map(({ x, y }) => (picture.transposed ? { along: x, across: y } : { along: y, across: x }));
  const seen = ends.flatMap(({ along, across }) => {
    const part = partAt(picture, across);
    if (part === undefined) return [];
    const rows = part.rows[along];
    const columns = part.columns[across - part.first];
    return [{ rows: isTurned(picture, part) ? mirrored(rows, picture.fullRows) : rows, columns }];
  });
  const span = (ranges: Range[]): Range => [
    Math.min(...ranges.map(([first]) => first)),
    Math.max(...ranges.map(([, last]) => last)),
  ];
  return { rows: span(seen.map(({ rows }) => rows)), columns: span(seen.map(({ columns }) => columns)) };
}
