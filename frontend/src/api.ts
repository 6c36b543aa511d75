/** HTTP only: asks the plugin's routes (tb_rnn_plugin/http_api.md) and decodes their answers. */

export interface Quantity {
  quantity: string;
  kind: "sequence" | "matrices";
  last_step: number;
  last_wall_time: number;
}

export interface Layer {
  layer: string;
  cell: string | null;
  units: number | null;
  directions: string[];
  gates: string[];
  /** Of a convolutional layer: rows and columns of each filter, or one or three numbers; else empty. */
  space: number[];
  framework: string | null;
  quantities: Quantity[];
}

export interface Run {
  run: string;
  position: number;
  layers: Layer[];
}

export interface Index {
  version: string;
  revision: string;
  experiment_has_runs: boolean;
  runs: Run[];
}

export interface Series {
  run: string;
  layer: string;
  quantity: string;
  steps: number[];
  wall_times: number[];
  array_steps: number[];
  array_wall_times: number[];
  shapes: number[][] | null;
  samples_kept: number[] | null;
  nan: number[];
  inf: number[];
  largest: (number | null)[];
}

export interface SeriesAnswer {
  series: Series[];
  missing: unknown[];
}

/** One array's description in an answer of the arrays route. */
export interface ArrayHeader {
  run: string;
  layer: string;
  quantity: string;
  step: number;
  wall_time: number;
  sample: number | null;
  matrix: string | null;
  shape: [number, number];
  full_shape: [number, number];
  row_block: number;
  column_block: number;
  /** The region, as far as the array reaches. */
  first_row: number;
  rows: number;
  first_column: number;
  columns: number;
  split: number | null;
  reflected: boolean;
  order: ChannelMeasure | null;
  /** The channels that stand in the region's columns, when they were put in order. */
  channels: number[] | null;
  dtype: "float32" | "bfloat16";
  /** Of the whole array. */
  nan: number;
  inf: number;
  low: number | null;
  high: number | null;
  /** Of the whole of a matrix; null where none is finite, and for a sequence. */
  largest_channel_norm: number | null;
}

export interface NumericArray extends ArrayHeader {
  cells: Float32Array | Uint16Array;
  /** Mean magnitudes: of the rows of each half that the region reaches, then of its columns. null for a matrix. */
  marginals: Float32Array | null;
  /** Of a matrix: the L2 norm of each column that it has, over all rows; null for a sequence. */
  channel_norms: Float32Array | null;
}

export interface MissingArray {
  run: string;
  step: number | null;
  sample: number | null;
  matrix: string | null;
  reason: string;
}

export interface ArraysAnswer {
  arrays: NumericArray[];
  missing: MissingArray[];
}

export const channelMeasures = ["magnitude", "first_active", "similarity"] as const;
/** By what channels are put in order. */
export type ChannelMeasure = (typeof channelMeasures)[number];

/** How arrays are to be answered; null: as they are. */
export interface ArrayLayout {
  maxRows: number | null;
  maxColumns: number | null;
  /** The first column of the backward half. */
  split: number | null;
  region: { firstRow: number; rows: number; firstColumn: number; columns: number } | null;
  /** Whether the rows of the backward half run backwards. */
  reflect: boolean;
  order: { by: ChannelMeasure; sample: number } | null;
}

/** The whole of them. */
export const asItIs: ArrayLayout = {
  maxRows: null,
  maxColumns: null,
  split: null,
  region: null,
  reflect: false,
  order: null,
};

export interface ArraysRequest {
  /** orderStep: the step whose order the channels have, where they are put in order. */
  runs: { run: string; layer: string; step: number; orderStep?: number }[];
  quantity: string;
  /** Empty, as matrices: all samples, or all matrices. */
  samples: number[];
  matrices?: string[];
  layout: ArrayLayout;
  dtype: "float32" | "bfloat16";
}

/** An answer that is not the one asked for. status is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  let sentence = `TensorBoard answered ${response.status} ${response.statusText}`.trim();
  try {
    const answer = JSON.parse(text) as { error?: unknown };
    if (typeof answer.error === "string") sentence = answer.error;
  } catch {
    // An answer from something between us and the plugin: its HTML says nothing to the user.
  }
  return new ApiError(response.status, sentence);
}

export async function get(address: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (isCancelled(error)) throw error;
    throw new ApiError(0, "TensorBoard does not answer. Is it still running?");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export function signalOption(signal: AbortSignal | undefined): RequestInit {
  return signal === undefined ? {} : { signal };
}

/** "no-cache" asks with If-None-Match: an unchanged index costs a 304. */
export async function fetchIndex(signal?: AbortSignal): Promise<Index> {
  const response = await get("index", { cache: "no-cache", ...signalOption(signal) });
  const answer = (await response.json()) as Partial<Index>;
  if (!Array.isArray(answer.runs)) throw new ApiError(response.status, "The index that TensorBoard sent has no runs");
  return answer as Index;
}

/** Once where all runs call it the same, else once a run. */
export function appendLayers(query: URLSearchParams, runs: readonly { layer: string }[]): void {
  const layers = runs.map(({ layer }) => layer);
  for (const layer of new Set(layers).size === 1 ? layers.slice(0, 1) : layers) query.append("layer", layer);
}

export async function fetchSeries(
  runs: readonly { run: string; layer: string }[],
  quantity: string,
  signal?: AbortSignal,
): Promise<SeriesAnswer> {
  const query = new URLSearchParams(runs.map(({ run }) => ["run", run]));
  appendLayers(query, runs);
  query.append("quantity", quantity);
  const response = await get(`series?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return (await response.json()) as SeriesAnswer;
}

function appendLayout(query: URLSearchParams, { layout, runs }: ArraysRequest): void {
  const { maxRows, maxColumns, split, region, reflect, order } = layout;
  const numbers: [string, number | null | undefined][] = [
    ["max_rows", maxRows],
    ["max_columns", maxColumns],
    ["split", split],
    ["first_row", region?.firstRow],
    ["rows", region?.rows],
    ["first_column", region?.firstColumn],
    ["columns", region?.columns],
    ["order_sample", order?.sample],
  ];
  for (const [name, value] of numbers) if (typeof value === "number") query.append(name, String(value));
  if (reflect) query.append("reflect", "on");
  if (order === null) return;
  query.append("order", order.by);
  for (const { orderStep } of runs) {
    if (orderStep !== undefined) query.append("order_step", String(orderStep));
  }
}

export function arraysQuery(request: ArraysRequest): string {
  const query = new URLSearchParams();
  for (const { run } of request.runs) query.append("run", run);
  appendLayers(query, request.runs);
  query.append("quantity", request.quantity);
  for (const { step } of request.runs) query.append("step", String(step));
  for (const sample of request.samples) query.append("sample", String(sample));
  for (const matrix of request.matrices ?? []) query.append("matrix", matrix);
  appendLayout(query, request);
  query.append("dtype", request.dtype);
  return query.toString();
}

export async function fetchArrays(request: ArraysRequest, signal?: AbortSignal): Promise<ArraysAnswer> {
  const response = await get(`arrays?${arraysQuery(request)}`, signalOption(signal));
  return decodeArrays(await response.arrayBuffer());
}

interface Placed {
  offset: number;
  bytes: number;
}

type WireHeader = ArrayHeader & Placed & { marginals: Placed | null; channel_norms: Placed | null };

/** A NaN may have its payload in the lower half alone; by the upper half, which is all the colours see, it is an Inf. */
function withPlainNaN(cells: Float32Array): Float32Array {
  for (let i = 0; i < cells.length; i++) if (Number.isNaN(cells[i])) cells[i] = NaN;
  return cells;
}

/** A copy of its own, so that dropping one array from the cache frees its memory. */
export function bytesAt(answer: ArrayBuffer, start: number, { offset, bytes }: Placed): ArrayBuffer {
  const first = start + offset;
  if (first + bytes > answer.byteLength) throw new ApiError(200, "The arrays that TensorBoard sent are cut short");
  return answer.slice(first, first + bytes);
}

function cellsOf(answer: ArrayBuffer, start: number, header: WireHeader): Float32Array | Uint16Array {
  const bytes = bytesAt(answer, start, header);
  if (header.dtype === "bfloat16") return new Uint16Array(bytes);
  const cells = new Float32Array(bytes);
  return header.nan > 0 ? withPlainNaN(cells) : cells;
}

/** The binary answer: a length, JSON, and raw little-endian arrays, which begin at `start`. */
export function binaryAnswer(answer: ArrayBuffer): { head: unknown; start: number } {
  if (answer.byteLength < 4) throw new ApiError(200, "The arrays that TensorBoard sent are empty");
  const length = new DataView(answer).getUint32(0, true);
  if (4 + length > answer.byteLength) throw new ApiError(200, "The arrays that TensorBoard sent are cut short");
  const text = new TextDecoder().decode(new Uint8Array(answer, 4, length));
  return { head: JSON.parse(text), start: 4 + length };
}

export function decodeArrays(answer: ArrayBuffer): ArraysAnswer {
  const { head, start } = binaryAnswer(answer);
  const headers = head as { arrays: WireHeader[]; missing: MissingArray[] };
  const numbersAt = (place: Placed | null) => (place === null ? null : new Float32Array(bytesAt(answer, start, place)));
  return {
    arrays: headers.arrays.map((header) => ({
      ...header,
      cells: cellsOf(answer, start, header),
      marginals: numbersAt(header.marginals),
      channel_norms: numbersAt(header.channel_norms),
    })),
    missing: headers.missing,
  };
}

/** Where TensorBoard reads from, by its own route; null where a host does not say. */
export async function fetchDataLocation(): Promise<string | null> {
  try {
    const response = await get("../../environment", {});
    const answer = (await response.json()) as { data_location?: unknown };
    return typeof answer.data_location === "string" && answer.data_location !== "" ? answer.data_location : null;
  } catch {
    return null;
  }
}
