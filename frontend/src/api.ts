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

/** What may be asked of a block of numbers. */
export interface BlockFields {
  count: number;
  nan: number;
  inf: number;
  minimum: number | null;
  maximum: number | null;
  l1_norm: number | null;
  l2_norm: number | null;
  linear: LinearHistogram | null;
  magnitude: MagnitudeHistogram | null;
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
export type BlockSeries = BlockName & { [Field in keyof BlockFields]?: (BlockFields[Field] | null)[] };

export interface Statistics {
  run: string;
  layer: string;
  quantity: string;
  steps: number[];
  wall_times: number[];
  blocks: BlockSeries[];
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
  dtype: "float32" | "bfloat16";
  nan: number;
  inf: number;
}

export interface NumericArray extends ArrayHeader {
  cells: Float32Array | Uint16Array;
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

export interface ArraysRequest {
  runs: { run: string; step: number }[];
  layer: string;
  quantity: string;
  /** Left out: all samples, or all matrices. */
  samples: number[];
  maxRows: number | null;
  maxColumns: number | null;
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

async function get(address: string, options: RequestInit): Promise<Response> {
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

function signalOption(signal: AbortSignal | undefined): RequestInit {
  return signal === undefined ? {} : { signal };
}

/** "no-cache" asks with If-None-Match: an unchanged index costs a 304. */
export async function fetchIndex(signal?: AbortSignal): Promise<Index> {
  const response = await get("index", { cache: "no-cache", ...signalOption(signal) });
  const answer = (await response.json()) as Partial<Index>;
  if (!Array.isArray(answer.runs)) throw new ApiError(response.status, "The index that TensorBoard sent has no runs");
  return answer as Index;
}

export async function fetchSeries(
  runs: string[],
  layer: string,
  quantity: string,
  signal?: AbortSignal,
): Promise<SeriesAnswer> {
  const query = new URLSearchParams(runs.map((run) => ["run", run]));
  query.append("layer", layer);
  query.append("quantity", quantity);
  const response = await get(`series?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return (await response.json()) as SeriesAnswer;
}

/** The statistics of a series at some of its steps, or (null) at all of them. */
export async function fetchStatistics(
  { run, layer, quantity }: { run: string; layer: string; quantity: string },
  steps: number[] | null,
  fields: readonly (keyof BlockFields)[],
  signal?: AbortSignal,
): Promise<Statistics | null> {
  const query = new URLSearchParams({ run, layer, quantity });
  for (const step of steps ?? []) query.append("step", String(step));
  for (const field of fields) query.append("field", field);
  const response = await get(`statistics?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return ((await response.json()) as { statistics: Statistics[] }).statistics.at(0) ?? null;
}

export function arraysQuery(request: ArraysRequest): string {
  const query = new URLSearchParams();
  for (const { run } of request.runs) query.append("run", run);
  query.append("layer", request.layer);
  query.append("quantity", request.quantity);
  for (const { step } of request.runs) query.append("step", String(step));
  for (const sample of request.samples) query.append("sample", String(sample));
  if (request.maxRows !== null) query.append("max_rows", String(request.maxRows));
  if (request.maxColumns !== null) query.append("max_columns", String(request.maxColumns));
  query.append("dtype", request.dtype);
  return query.toString();
}

export async function fetchArrays(request: ArraysRequest, signal?: AbortSignal): Promise<ArraysAnswer> {
  const response = await get(`arrays?${arraysQuery(request)}`, signalOption(signal));
  return decodeArrays(await response.arrayBuffer());
}

type WireHeader = ArrayHeader & { offset: number; bytes: number };

/** A NaN may have its payload in the lower half alone; by the upper half, which is all the colours see, it is an Inf. */
function withPlainNaN(cells: Float32Array): Float32Array {
  for (let i = 0; i < cells.length; i++) if (Number.isNaN(cells[i])) cells[i] = NaN;
  return cells;
}

function cellsOf(answer: ArrayBuffer, start: number, header: WireHeader): Float32Array | Uint16Array {
  const first = start + header.offset;
  if (first + header.bytes > answer.byteLength)
    throw new ApiError(200, "The arrays that TensorBoard sent are cut short");
  // A copy of its own, so that dropping one array from the cache frees its memory.
  const bytes = answer.slice(first, first + header.bytes);
  if (header.dtype === "bfloat16") return new Uint16Array(bytes);
  const cells = new Float32Array(bytes);
  return header.nan > 0 ? withPlainNaN(cells) : cells;
}

/** The binary answer: a length, JSON, and raw little-endian arrays. */
export function decodeArrays(answer: ArrayBuffer): ArraysAnswer {
  if (answer.byteLength < 4) throw new ApiError(200, "The arrays that TensorBoard sent are empty");
  const length = new DataView(answer).getUint32(0, true);
  if (4 + length > answer.byteLength) throw new ApiError(200, "The arrays that TensorBoard sent are cut short");
  const text = new TextDecoder().decode(new Uint8Array(answer, 4, length));
  const headers = JSON.parse(text) as { arrays: WireHeader[]; missing: MissingArray[] };
  return {
    arrays: headers.arrays.map((header) => ({ ...header, cells: cellsOf(answer, 4 + length, header) })),
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
