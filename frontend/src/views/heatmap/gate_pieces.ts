/** What of each gate of a matrix is in sight. */

import { type Range } from "../../drawing/cell_array";

export interface GatePiece {
  gate: string;
  /** Its first column in the whole matrix. */
  firstColumn: number;
  /** Where it begins and ends, in pixels of the picture; a pixel of several columns may be parted. */
  from: number;
  to: number;
}

/** How many pixels lie before a column. */
function pixelsBefore(columns: readonly Range[], column: number): number {
  const at = columns.findIndex(([, last]) => last >= column);
  if (at < 0) return columns.length;
  const [first, last] = columns[at];
  return column <= first ? at : at + (column - first) / (last - first + 1);
}

/** Of the columns that each pixel stands for; none where there is nothing to be parted. */
export function gatePieces(gates: readonly string[], fullColumns: number, columns: readonly Range[]): GatePiece[] {
  if (gates.length < 2) return [];
  const units = fullColumns / gates.length;
  return gates
    .map((gate, i) => ({
      gate,
      firstColumn: i * units,
      from: pixelsBefore(columns, i * units),
      to: pixelsBefore(columns, (i + 1) * units),
    }))
    .filter(({ from, to }) => to > from);
}
