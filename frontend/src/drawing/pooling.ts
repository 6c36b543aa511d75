/** Pooling cells down to the size on the screen. */

import { type Cells } from "./cell_array";

/** A rectangle of cells, row-major. */
export interface Rectangle {
  cells: Cells;
  /** Where its first cell is, and how far it is from one row to the next. */
  start: number;
  stride: number;
  rows: number;
  columns: number;
}

/**
 * The cell of the largest magnitude in every block, with its sign. The bits without the sign order themselves:
 * NaN above Inf above every number, so neither is ever pooled away.
 */
export function poolLargest(rectangle: Rectangle, rowBlock: number, columnBlock: number): Rectangle {
  if (rowBlock === 1 && columnBlock === 1) return rectangle;
  const { cells, start, stride, rows, columns } = rectangle;
  const across = Math.ceil(columns / columnBlock);
  const down = Math.ceil(rows / rowBlock);
  const wide = cells instanceof Float32Array;
  const pooled = wide ? new Float32Array(down * across) : new Uint16Array(down * across);
  const from = wide ? new Uint32Array(cells.buffer, cells.byteOffset, cells.length) : cells;
  const to = wide ? new Uint32Array(pooled.buffer) : pooled;
  const magnitude = wide ? 0x7fffffff : 0x7fff;
  const target = Uint32Array.from({ length: columns }, (_, column) => Math.floor(column / columnBlock));
  for (let row = 0; row < rows; row++) {
    const base = Math.floor(row / rowBlock) * across;
    const line = start + row * stride;
    for (let column = 0; column < columns; column++) {
      const bits = from[line + column];
      const at = base + target[column];
      if ((bits & magnitude) > (to[at] & magnitude)) to[at] = bits;
    }
  }
  return { cells: pooled, start: 0, stride: across, rows: down, columns: across };
}
