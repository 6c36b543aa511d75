/** One array taken away from another, cell by cell. */

import { type Cells, numberOf } from "./picture";

export interface Difference {
  /** Rounded to float32, as numpy's subtraction of two float32 arrays is. */
  cells: Float32Array;
  nan: number;
  inf: number;
}

/** Arrays of equal length. NaN and Inf go their usual way: Inf − Inf is NaN. */
export function subtracted(one: Cells, other: Cells): Difference {
  const cells = new Float32Array(one.length);
  let [nan, inf] = [0, 0];
  for (let i = 0; i < cells.length; i++) {
    // Exact in float64, so that it is rounded once.
    const value = numberOf(one, i) - numberOf(other, i);
    cells[i] = value;
    if (Number.isNaN(value)) nan++;
    else if (!Number.isFinite(cells[i])) inf++;
  }
  return { cells, nan, inf };
}
