/** Histograms of many steps as one picture: steps to the right, values upwards, shares as cells. */

import { axisOver, barsOf, type Histogram } from "./histogram";
import { type Pixels } from "./picture";
import { type ScaleKind } from "./colour_scale";
import { type BinAxis } from "./bin_axis";

/** An axis in rows. */
export interface Rows {
  axis: BinAxis;
  rows: number;
}

const fewestRows = 48;

/** Rows of a width that is a power of two, as that of the bins: a bin is split into whole rows, or fills a part of one. */
function aligned(axis: BinAxis): Rows {
  const row = 2 ** Math.floor(Math.log2((axis.high - axis.low) / fewestRows));
  const low = Math.floor(axis.low / row) * row;
  const rows = Math.ceil((axis.high - low) / row);
  return { axis: { ...axis, low, high: low + rows * row }, rows };
}

/** The share of the values in each row, from the axis' lower end up; within a bin they are taken to lie evenly. */
export function sharesByRow(histogram: Histogram, { axis, rows }: Rows): Float32Array {
  const shares = new Float32Array(rows);
  const { edges, counts, total } = barsOf(histogram, axis);
  const row = (axis.high - axis.low) / rows;
  counts.forEach((count, i) => {
    if (count === 0) return;
    const from = (edges[i] - axis.low) / row;
    const to = (edges[i + 1] - axis.low) / row;
    for (let at = Math.max(0, Math.floor(from)); at < Math.min(rows, to); at++) {
      const overlap = Math.min(to, at + 1) - Math.max(from, at);
      shares[at] += (count / total) * (overlap / (to - from));
    }
  });
  return shares;
}

/** The rows of all the maps that are to be compared. */
export function rowsOver(histograms: readonly Histogram[], kind: ScaleKind, decades: number): Rows {
  return aligned(axisOver(histograms, kind, decades));
}

/** One column a step, the largest values at the top. A step with no finite values is a column of NaN. */
export function densityMap(histograms: readonly (Histogram | null)[], over: Rows): Pixels {
  const { rows } = over;
  const width = histograms.length;
  const cells = new Float32Array(width * rows);
  histograms.forEach((histogram, x) => {
    const shares = histogram === null ? null : sharesByRow(histogram, over);
    for (let row = 0; row < rows; row++) cells[(rows - 1 - row) * width + x] = shares === null ? NaN : shares[row];
  });
  return { width, height: rows, cells };
}
