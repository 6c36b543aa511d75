/** Cells as they come from the server: pooled, in a region, perhaps in another order than that of their numbers. */

export type Cells = Float32Array | Uint16Array;

/** First and last index, both included. */
export type Range = readonly [first: number, last: number];

/** Row-major cells, float32 or bfloat16, each standing for rowBlock × columnBlock cells of the full array. */
export interface CellArray {
  cells: Cells;
  rows: number;
  columns: number;
  rowBlock: number;
  columnBlock: number;
  fullRows: number;
  fullColumns: number;
  /** The rows and columns of the full array that it covers, as they stand once they were put in order and reflected. */
  rowSpan: Range;
  columnSpan: Range;
  /** The full column at which the blocks begin anew; null where they never do. */
  split: number | null;
  /** Whether the rows of the columns from the split on run backwards already. */
  reflected: boolean;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** A cell's number; a bfloat16 is the upper half of a float32. */
export function numberOf(cells: Cells, index: number): number {
  if (cells instanceof Float32Array) return cells[index];
  word[0] = cells[index] << 16;
  return float[0];
}

/** The same range seen from the other end of so many. */
export function mirrored([first, last]: Range, count: number): Range {
  return [count - 1 - last, count - 1 - first];
}

export function meet(one: Range, other: Range): boolean {
  return one[0] <= other[1] && other[0] <= one[1];
}

function blocksOf([first, last]: Range, block: number): Range[] {
  const count = Math.max(0, Math.ceil((last - first + 1) / block));
  return Array.from({ length: count }, (_, i) => [first + i * block, Math.min(last, first + (i + 1) * block - 1)]);
}

/** The full rows that each row stands for. */
export function rowRangesOf({ rowSpan, rowBlock }: CellArray): Range[] {
  return blocksOf(rowSpan, rowBlock);
}

/** The full columns that each column stands for: no block reaches across the split. */
export function columnRangesOf({ columnSpan, columnBlock, split }: CellArray): Range[] {
  const [first, last] = columnSpan;
  if (split === null || split <= first || split > last) return blocksOf(columnSpan, columnBlock);
  return [...blocksOf([first, split - 1], columnBlock), ...blocksOf([split, last], columnBlock)];
}
