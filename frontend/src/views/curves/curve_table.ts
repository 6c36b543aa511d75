/** An array as one curve a channel, with what axes and badges have to know of each. */

import { numberOf } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";

export interface CurveTable {
  /** Values over timesteps, channel by channel. */
  curves: Float32Array[];
  /** The smallest and largest finite value of each channel; NaN where there is none. */
  low: Float64Array;
  high: Float64Array;
  nan: Uint32Array;
  inf: Uint32Array;
}

const made = new WeakMap<LoadedArray, CurveTable>();

function take(table: CurveTable, channel: number, row: number, value: number): void {
  table.curves[channel][row] = value;
  if (Number.isNaN(value)) table.nan[channel]++;
  else if (!Number.isFinite(value)) table.inf[channel]++;
  else {
    if (!(table.low[channel] <= value)) table.low[channel] = value;
    if (!(table.high[channel] >= value)) table.high[channel] = value;
  }
}

/** Made once an array, whichever channels are then looked at. */
export function curveTable(array: LoadedArray): CurveTable {
  const known = made.get(array);
  if (known !== undefined) return known;
  const [rows, channels] = array.shape;
  const table = {
    curves: Array.from({ length: channels }, () => new Float32Array(rows)),
    low: new Float64Array(channels).fill(NaN),
    high: new Float64Array(channels).fill(NaN),
    nan: new Uint32Array(channels),
    inf: new Uint32Array(channels),
  };
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < channels; channel++) {
      take(table, channel, row, numberOf(array.cells, row * channels + channel));
    }
  }
  made.set(array, table);
  return table;
}
