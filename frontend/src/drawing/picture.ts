/**
 * From an array to a picture: pool what is larger than the screen, turn it the right way round, fold the backward half.
 * Done once an array; a new scale or colour map only repaints the picture.
 */

export type Cells = Float32Array | Uint16Array;

/** Row-major cells, float32 or bfloat16, each standing for rowBlock × columnBlock cells of the full array. */
export interface CellArray {
  cells: Cells;
  rows: number;
  columns: number;
  rowBlock: number;
  columnBlock: number;
  fullRows: number;
  fullColumns: number;
}

export interface Arrangement {
  /** Rows run to the right and columns down: timesteps × channels becomes channels over timesteps. */
  transposed: boolean;
  /** Full columns at which a new direction begins; no pooled cell reaches across. */
  boundary: number | null;
  /** Rows of the half after the boundary run the other way. */
  reflected: boolean;
  /** The most device pixels that the picture may take. */
  maxWidth: number;
  maxHeight: number;
}

export interface Picture {
  width: number;
  height: number;
  /** One value a pixel. */
  cells: Cells;
  transposed: boolean;
  reflected: boolean;
  rowRanges: Range[];
  columnRanges: Range[];
  /** How many of the picture's columns lie before the boundary; all when there is none. */
  columnsBefore: number;
}

/** First and last index, both included. */
export type Range = readonly [number, number];

interface Pooling {
  /** For every column of the array its column in the picture. */
  target: Uint32Array;
  columns: number;
  before: number;
}

function poolColumns(array: CellArray, block: number, boundary: number | null): Pooling {
  const split = boundary === null ? array.columns : Math.min(array.columns, Math.ceil(boundary / array.columnBlock));
  const before = Math.ceil(split / block);
  const target = Uint32Array.from({ length: array.columns }, (_, column) =>
    column < split ? Math.floor(column / block) : before + Math.floor((column - split) / block),
  );
  return { target, columns: array.columns === 0 ? 0 : target[array.columns - 1] + 1, before };
}

/**
 * The cell of the largest magnitude in every block, with its sign. The bits without the sign order themselves:
 * NaN above Inf above every number, so neither is ever pooled away.
 */
export function poolLargest(array: CellArray, rowBlock: number, pooling: Pooling): Cells {
  const { cells, rows, columns } = array;
  const pooledRows = Math.ceil(rows / rowBlock);
  const wide = cells instanceof Float32Array;
  const pooled = wide ? new Float32Array(pooledRows * pooling.columns) : new Uint16Array(pooledRows * pooling.columns);
  const from = wide ? new Uint32Array(cells.buffer, cells.byteOffset, cells.length) : cells;
  const to = wide ? new Uint32Array(pooled.buffer) : pooled;
  const magnitude = wide ? 0x7fffffff : 0x7fff;
  for (let row = 0; row < rows; row++) {
    const base = Math.floor(row / rowBlock) * pooling.columns;
    for (let column = 0; column < columns; column++) {
      const bits = from[row * columns + column];
      const at = base + pooling.target[column];
      if ((bits & magnitude) > (to[at] & magnitude)) to[at] = bits;
    }
  }
  return pooled;
}

/** Columns are taken 16 at a time, so that both reading and writing stay within the cache. */
const tile = 16;

function turned(cells: Cells, rows: number, columns: number, flippedFrom: number): Cells {
  const out = cells instanceof Float32Array ? new Float32Array(cells.length) : new Uint16Array(cells.length);
  for (let first = 0; first < columns; first += tile) {
    const last = Math.min(first + tile, columns);
    for (let row = 0; row < rows; row++) {
      for (let column = first; column < last; column++) {
        const x = column < flippedFrom ? row : rows - 1 - row;
        out[column * rows + x] = cells[row * columns + column];
      }
    }
  }
  return out;
}

function rangesOf(count: number, block: number, full: number): Range[] {
  return Array.from({ length: count }, (_, i) => [i * block, Math.min(full, (i + 1) * block) - 1]);
}

function columnRangesOf(array: CellArray, pooling: Pooling): Range[] {
  const ranges: [number, number][] = [];
  pooling.target.forEach((target, column) => {
    const first = column * array.columnBlock;
    const last = Math.min(array.fullColumns, first + array.columnBlock) - 1;
    const range = ranges.at(target);
    if (range === undefined) ranges.push([first, last]);
    else range[1] = last;
  });
  return ranges;
}

/** Rows and columns of the array that one pixel of the picture must stand for. */
function blocksNeeded(array: CellArray, arrangement: Arrangement): { rowBlock: number; columnBlock: number } {
  const { transposed, maxWidth, maxHeight } = arrangement;
  const rowRoom = Math.max(1, transposed ? maxWidth : maxHeight);
  const columnRoom = Math.max(2, transposed ? maxHeight : maxWidth);
  return { rowBlock: Math.ceil(array.rows / rowRoom), columnBlock: Math.ceil(array.columns / columnRoom) };
}

export function arrange(array: CellArray, arrangement: Arrangement): Picture {
  const { rowBlock, columnBlock } = blocksNeeded(array, arrangement);
  const pooling = poolColumns(array, columnBlock, arrangement.boundary);
  const rows = Math.ceil(array.rows / rowBlock);
  const pooled = rowBlock === 1 && columnBlock === 1 ? array.cells : poolLargest(array, rowBlock, pooling);
  const reflected = arrangement.reflected && arrangement.boundary !== null && arrangement.transposed;
  const flippedFrom = reflected ? pooling.before : pooling.columns;
  const { transposed } = arrangement;
  return {
    width: transposed ? rows : pooling.columns,
    height: transposed ? pooling.columns : rows,
    cells: transposed ? turned(pooled, rows, pooling.columns, flippedFrom) : pooled,
    transposed,
    reflected,
    rowRanges: rangesOf(rows, rowBlock * array.rowBlock, array.fullRows),
    columnRanges: columnRangesOf(array, pooling),
    columnsBefore: pooling.before,
  };
}

/** Which cells of the full array a pixel stands for. */
export function cellAt(picture: Picture, x: number, y: number): { rows: Range; columns: Range } {
  const column = picture.transposed ? y : x;
  const along = picture.transposed ? x : y;
  const flipped = picture.reflected && column >= picture.columnsBefore;
  const row = flipped ? picture.rowRanges.length - 1 - along : along;
  return { rows: picture.rowRanges[row], columns: picture.columnRanges[column] };
}

function indexIn(ranges: Range[], index: number): number {
  return ranges.findIndex(([first, last]) => first <= index && index <= last);
}

/** The pixel in which a cell of the full array is drawn; null when the array has no such cell. */
export function pixelOf(picture: Picture, row: number, column: number): { x: number; y: number } | null {
  const across = indexIn(picture.columnRanges, column);
  const found = indexIn(picture.rowRanges, row);
  if (across < 0 || found < 0) return null;
  const flipped = picture.reflected && across >= picture.columnsBefore;
  const along = flipped ? picture.rowRanges.length - 1 - found : found;
  return picture.transposed ? { x: along, y: across } : { x: across, y: along };
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** A cell's number; a bfloat16 is the upper half of a float32. */
export function numberOf(cells: Cells, index: number): number {
  if (cells instanceof Float32Array) return cells[index];
  word[0] = cells[index] << 16;
  return float[0];
}
