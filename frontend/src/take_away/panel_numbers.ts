/** The numbers behind a panel, as tables. */

import { type Histogram, linearEdge } from "../drawing/histogram";
import { numberOf } from "../drawing/picture";
import { type LoadedArray } from "../state/arrays";
import { type ShownRun } from "../state/catalogue";
import { gatesOf } from "../state/matrix_gates";
import { wholeOf } from "../state/whole_arrays";
import { type Lines, type Matrix } from "./table";

function float32Of({ cells }: LoadedArray): Float32Array {
  return cells instanceof Float32Array ? cells : Float32Array.from(cells, (_, i) => numberOf(cells, i));
}

/** "forget 3" where the columns are gates × units, else "column 3". */
export function unitNames({ layer }: Pick<ShownRun, "layer">, matrix: string, width: number): string[] {
  const gates = gatesOf(layer, matrix, width);
  const units = width / gates.length;
  return Array.from({ length: width }, (_, column) =>
    gates.length > 0 ? `${gates[Math.floor(column / units)]} ${column % units}` : `column ${column}`,
  );
}

/** The array of a drawing: as it was logged. */
export async function matrixNumbers(run: ShownRun, array: LoadedArray): Promise<Matrix> {
  const whole = await wholeOf(run, array);
  const [rows, columns] = whole.full_shape;
  const cells = float32Of(whole);
  if (whole.matrix === null) {
    const columnNames = Array.from({ length: columns }, (_, channel) => `channel ${channel}`);
    return { kind: "matrix", cells, shape: [rows, columns], rowName: "timestep", columnNames };
  }
  const isFlat = rows === 1 && whole.matrix.endsWith("/bias");
  const columnNames = unitNames(run, whole.matrix, columns);
  return { kind: "matrix", cells, shape: isFlat ? [columns] : [rows, columns], rowName: "row", columnNames };
}

export interface CurveSource {
  array: LoadedArray;
  /** The channels that the curve is of: several where they were pooled. */
  channels: readonly number[];
  label: string;
}

/** Curves beside each other: timesteps down. */
export async function curveNumbers(run: ShownRun, sources: readonly CurveSource[]): Promise<Matrix> {
  const arrays = [...new Set(sources.map(({ array }) => array))];
  const wholes = new Map(await Promise.all(arrays.map(async (array) => [array, await wholeOf(run, array)] as const)));
  const columns = sources.flatMap(({ array, channels, label }) =>
    channels.map((channel) => ({
      whole: wholes.get(array) ?? array,
      channel,
      name: channels.length === 1 ? label : `channel ${channel}`,
    })),
  );
  const rows = Math.max(0, ...columns.map(({ whole }) => whole.full_shape[0]));
  const cells = new Float32Array(rows * columns.length);
  columns.forEach(({ whole, channel }, column) => {
    for (let row = 0; row < rows; row++) {
      cells[row * columns.length + column] = numberOf(whole.cells, row * whole.full_shape[1] + channel);
    }
  });
  const columnNames = columns.map(({ name }) => name);
  return { kind: "matrix", cells, shape: [rows, columns.length], rowName: "timestep", columnNames };
}

/** The values of a single timestep: samples down, channels to the right. */
export async function dotNumbers(
  run: ShownRun,
  samples: readonly { sample: number; array: LoadedArray }[],
  channels: readonly number[],
): Promise<Matrix> {
  const wholes = await Promise.all(samples.map(({ array }) => wholeOf(run, array)));
  return {
    kind: "matrix",
    cells: Float32Array.from(wholes.flatMap(({ cells }) => channels.map((channel) => numberOf(cells, channel)))),
    shape: [wholes.length, channels.length],
    rowName: "sample",
    rowLabels: samples.map(({ sample }) => sample),
    columnNames: channels.map((channel) => `channel ${channel}`),
  };
}

interface Bin {
  low: number;
  high: number;
  count: number;
}

/** What is smaller than any normal number is counted as zero. */
const smallest = 2 ** -126;

/** From the lowest to the highest. */
export function binsOf(histogram: Histogram): Bin[] {
  if ("counts" in histogram) {
    const edge = (i: number) => linearEdge(histogram, i);
    return histogram.counts.map((count, i) => ({ low: edge(i), high: edge(i + 1), count }));
  }
  const { first_exponent: first, negative, positive, zero } = histogram;
  const above = positive.map((count, i) => ({ low: 2 ** (first + i), high: 2 ** (first + i + 1), count }));
  const below = negative.map((count, i) => ({ low: -(2 ** (first + i + 1)), high: -(2 ** (first + i)), count }));
  return [...below.reverse(), { low: -smallest, high: smallest, count: zero }, ...above];
}

export interface HistogramAtStep {
  run: string;
  step: number;
  histogram: Histogram | null;
}

/** A line for each bin. */
export function histogramNumbers(histograms: readonly HistogramAtStep[]): Lines {
  const bins = histograms.flatMap(({ run, step, histogram }) =>
    histogram === null ? [] : binsOf(histogram).map((bin) => ({ run, step, ...bin })),
  );
  return {
    kind: "lines",
    fields: [
      { name: "run", type: "text", values: bins.map(({ run }) => run) },
      { name: "step", type: "integer", values: bins.map(({ step }) => step) },
      { name: "low", type: "float", values: bins.map(({ low }) => low) },
      { name: "high", type: "float", values: bins.map(({ high }) => high) },
      { name: "count", type: "integer", values: bins.map(({ count }) => count) },
    ],
  };
}

export interface ValuesAtStep {
  run: string;
  step: number;
  /** null where there is none. */
  values: readonly (number | null)[];
}

/** A line for each step, with as many values as there are names. */
export function stepNumbers(names: readonly string[], points: readonly ValuesAtStep[]): Lines {
  return {
    kind: "lines",
    fields: [
      { name: "run", type: "text", values: points.map(({ run }) => run) },
      { name: "step", type: "integer", values: points.map(({ step }) => step) },
      ...names.map((name, i) => ({
        name,
        type: "float" as const,
        values: points.map(({ values }) => values[i] ?? NaN),
      })),
    ],
  };
}
