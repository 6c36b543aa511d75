/** HTTP only: asks how the layers are doing, and how their gradients run through time (tb_rnn_plugin/http_api.md). */

import { appendLayers, binaryAnswer, bytesAt, get, signalOption } from "./api";

export const severities = ["note", "warning", "error"] as const;
/** From the least to the worst. */
export type Severity = (typeof severities)[number];
/** "" of what describes and is not judged. */
export type Verdict = Severity | "ok" | "";

export interface HealthColumn {
  measure: string;
  title: string;
  meaning: string;
}

/** How a measure is spoken of. */
export interface MeasureKind {
  measure: string;
  title: string;
  unit: MeasureUnit;
  meaning: string;
  misleads: string;
}

export type MeasureUnit = "timesteps" | "units" | "weights" | "share" | "ratio" | "norm" | "count" | "number";

/** One measure of a layer along the steps. */
export interface Measure {
  measure: string;
  title: string;
  unit: MeasureUnit;
  quantity: string;
  direction: string;
  matrix: string;
  gate: string;
  steps: number[];
  values: (number | null)[];
  /** What a whole would be. */
  of: number | null;
  latest: number | null;
  latest_step: number;
  text: string;
  severity: Verdict;
  /** The index of the first finding about it. */
  finding: number | null;
}

export interface LayerHealth {
  layer: string;
  cell: string | null;
  units: number | null;
  directions: string[];
  gates: string[];
  quantities: string[];
  timesteps: number;
  last_step: number;
  severity: Verdict;
  /** Of each column that is there, the index of the measure to show. */
  cells: Partial<Record<string, number>>;
  measures: Measure[];
  absent: { measure: string; reason: string }[];
}

export interface Loss {
  run: string;
  tag: string;
  steps: number[];
  values: (number | null)[];
}

export interface RunHealth {
  run: string;
  loss: Loss | null;
  layers: LayerHealth[];
}

/** What of the address leads to a place. */
export interface PlaceLink {
  view: string;
  run: string;
  layer: string;
  quantity: string;
  step: number;
}

export interface Finding {
  severity: Severity;
  fault: string;
  run: string;
  layer: string;
  quantity: string;
  direction: string;
  matrix: string;
  gate: string;
  timestep: number | null;
  since: number;
  clean_until: number | null;
  until: number;
  measure: string;
  value: number | null;
  of: number | null;
  threshold: number | null;
  threshold_name: string;
  sentence: string;
  explanation: string;
  advice: string;
  /** The index of the finding that probably explains this one. */
  follows: number | null;
  link: PlaceLink;
}

export interface Threshold {
  name: string;
  value: number;
  default: number;
  adjustable: boolean;
  meaning: string;
  source: string;
}

export interface Health {
  columns: HealthColumn[];
  /** Of every measure that a layer may have, in their order. */
  kinds: MeasureKind[];
  runs: RunHealth[];
  findings: Finding[];
  thresholds: Threshold[];
  missing: { run: string; reason: string }[];
}

/** "no-cache" asks with If-None-Match: what did not change costs a 304. */
export async function fetchHealth(
  runs: readonly string[],
  thresholds: Readonly<Partial<Record<string, number>>>,
  signal?: AbortSignal,
): Promise<Health> {
  const query = new URLSearchParams(runs.map((run) => ["run", run]));
  for (const [name, value] of Object.entries(thresholds)) query.append(name, String(value));
  const response = await get(`health?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return (await response.json()) as Health;
}

/** How long the keep gate of each unit keeps, against how long its gradient lasts; null where that is no number. */
export interface Timescales {
  run: string;
  layer: string;
  direction: string;
  /** The gate that keeps the state, and the gradient that it multiplies on the way back. */
  gate: string;
  quantity: string;
  step: number;
  samples: number;
  timesteps: number;
  gate_timescales: (number | null)[];
  gradient_timescales: (number | null)[];
  /** R² of the line through the logarithm of the gradient. */
  fits: (number | null)[];
}

export interface TimescalesAnswer {
  timescales: Timescales[];
  missing: { run: string; layer: string; reason: string }[];
}

/** At the kept step nearest to the one that is asked for; null: at the last. */
export async function fetchTimescales(
  layers: readonly { run: string; layer: string }[],
  step: number | null,
  signal?: AbortSignal,
): Promise<TimescalesAnswer> {
  const query = new URLSearchParams(layers.map(({ run }) => ["run", run]));
  appendLayers(query, layers);
  if (step !== null) query.append("step", String(step));
  const response = await get(`timescales?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return (await response.json()) as TimescalesAnswer;
}

export const profileStatistics = ["mean", "0.1", "0.5", "0.9"] as const;
/** Over the samples of a batch: their mean, or a quantile. */
export type ProfileStatistic = (typeof profileStatistics)[number];

/** The norm over the units of one direction, at every timestep of every step. */
export interface Profiles {
  run: string;
  layer: string;
  quantity: string;
  direction: string;
  steps: number[];
  wall_times: number[];
  /** Of each step: how many timesteps it has, how many of them a point stands for, and how many points there are. */
  timesteps: number[];
  blocks: number[];
  points: number[];
  /** The least and the largest finite norm above 0; null when there is none. */
  least: number | null;
  largest: number | null;
  shape: [number, number];
  /** Row-major, a row for each step. */
  norms: Float32Array;
}

export interface ProfilesAnswer {
  profiles: Profiles[];
  missing: { run: string; layer: string; quantity: string; reason: string }[];
}

type WireProfiles = Omit<Profiles, "norms"> & { offset: number; bytes: number };

export async function fetchProfiles(
  runs: readonly { run: string; layer: string }[],
  quantity: string,
  statistic: ProfileStatistic,
  signal?: AbortSignal,
): Promise<ProfilesAnswer> {
  const query = new URLSearchParams(runs.map(({ run }) => ["run", run]));
  appendLayers(query, runs);
  query.append("quantity", quantity);
  query.append("statistic", statistic);
  const response = await get(`profiles?${query.toString()}`, { cache: "no-cache", ...signalOption(signal) });
  return decodeProfiles(await response.arrayBuffer());
}

export function decodeProfiles(answer: ArrayBuffer): ProfilesAnswer {
  const { head, start } = binaryAnswer(answer);
  const { profiles, missing } = head as { profiles: WireProfiles[]; missing: ProfilesAnswer["missing"] };
  return {
    profiles: profiles.map((header) => ({ ...header, norms: new Float32Array(bytesAt(answer, start, header)) })),
    missing,
  };
}
