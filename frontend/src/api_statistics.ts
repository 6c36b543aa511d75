/** HTTP only: asks what the light summaries say of each block of numbers (tb_rnn_plugin/http_api.md). */

import { get, signalOption } from "./api";

/** Bin i covers [(first_bin + i)·2^exponent, (first_bin + i + 1)·2^exponent). */
export interface LinearHistogram {
  exponent: number;
  first_bin: number;
  counts: number[];
}

/** With m = 2^(first_exponent + i), bin i covers m ≤ |v| < 2m of either sign. */
export interface MagnitudeHistogram {
  first_exponent: number;
  negative: number[];
  positive: number[];
  zero: number;
}

/** Bins of equal width from the smallest value to the largest; no counts where nothing is finite. */
export interface BinnedHistogram {
  low: number;
  high: number;
  counts: number[];
}

/** What may be asked of a block of numbers. */
export interface BlockFields {
  count: number;
  nan: number;
  inf: number;
  minimum: number | null;
  maximum: number | null;
  l1_norm: number | null;
  l2_norm: number | null;
  /** The quantiles 0, 0.1, 0.5, 0.9 and 1 of the L2 norms of the channels of a matrix. */
  channel_norms: number[] | null;
  linear: LinearHistogram | null;
  magnitude: MagnitudeHistogram | null;
  /** Of a whole matrix. */
  update_ratio: number | null;
}

/** One direction of a sequence, or one gate of one matrix. */
export interface BlockName {
  direction: string;
  /** "" for a sequence. */
  matrix: string;
  /** "" for a sequence, and where there are no gates. */
  gate: string;
}

/** The fields that were asked for, along the steps; null at a step without the block. */
export type BlockSeries = BlockName & { [Field in keyof BlockFields]?: (BlockFields[Field] | null)[] } & {
  /** In the bins that were asked for; null at a step whose arrays were not kept. */
  binned?: (BinnedHistogram | null)[];
};

/** How fast a matrix moves, along the steps. */
export interface MatrixSeries {
  direction: string;
  matrix: string;
  update_ratio: (number | null)[];
}

export interface Statistics {
  run: string;
  layer: string;
  quantity: string;
  steps: number[];
  wall_times: number[];
  blocks: BlockSeries[];
  /** Only where the update ratio was asked for. */
  matrices?: MatrixSeries[];
}

export interface StatisticsWanted {
  fields: readonly (keyof BlockFields)[];
  /** Into how many bins the arrays are to be counted; null: they are not. It needs steps. */
  bins: number | null;
}

/** The statistics of a series at some of its steps, or (null) at all of them. */
export async function fetchStatistics(
  { run, layer, quantity }: { run: string; layer: string; quantity: string },
  steps: number[] | null,
  { fields, bins }: StatisticsWanted,
  signal?: AbortSignal,
): Promise<Statistics | null> {
  const query = new URLSearchParams({ run, layer, quantity });
  for (const step of steps ?? []) query.append("step", String(step));
  for (const field of fields) query.append("field", field);
  if (bins !== null) query.append("bins", String(bins));
  const response = await get(`statistics?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return ((await response.json()) as { statistics: Statistics[] }).statistics.at(0) ?? null;
}
