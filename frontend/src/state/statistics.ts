/** Fetches the statistics that the screen needs, step by step, and keeps them. */

import { computed, effect, signal } from "@preact/signals";
import {
  type BinnedHistogram,
  type BlockFields,
  type BlockName,
  fetchStatistics,
  type Statistics,
} from "../api_statistics";
import { ArrayCache } from "./array_cache";
import { polls } from "./catalogue";
import { attempts, reportProblem, resolveProblem } from "./problems";
import { type SeriesOfRun, shownSeries } from "./series";

export type { BinnedHistogram, LinearHistogram, MagnitudeHistogram } from "../api_statistics";

export type Field = keyof BlockFields;

/** One block of numbers at one step, with the fields that were asked for. */
export type Block = BlockName & Partial<BlockFields> & { binned?: BinnedHistogram | null };

export interface BlocksAtStep {
  step: number;
  blocks: Block[];
  /** What was measured of whole matrices, where that was asked for. */
  matrices: Block[];
}

export interface StatisticsOfRun {
  run: SeriesOfRun;
  /** In the order of the steps. */
  steps: BlocksAtStep[];
  /** Those asked for before, until the ones asked for now have come. */
  stale: boolean;
}

export interface Wish {
  fields: readonly Field[];
  /** Which of a run's steps. */
  steps: (run: SeriesOfRun) => readonly number[];
  /** Into how many bins the arrays of these steps are counted too; left out: they are not. */
  bins?: number | null;
}

const wish = signal<Wish | null>(null);

/** Says what is to be fetched from now on; null ends it. */
export function wishStatistics(wanted: Wish | null): void {
  wish.value = wanted;
}

const budget = 128 * 2 ** 20;
const cache = new ArrayCache<BlocksAtStep>(budget, (key) => needed.peek().has(key));
const arrivals = signal(0);

interface Place {
  run: SeriesOfRun;
  key: string;
  steps: { step: number; key: string }[];
}

function placeOf(run: SeriesOfRun, { fields, steps, bins }: Wish): Place {
  const { series } = run;
  const key = JSON.stringify([series.run, series.layer, series.quantity, fields, bins ?? null]);
  return {
    run,
    // The same run may be there at two moments, each with steps of its own.
    key: JSON.stringify([run.moment, key]),
    steps: steps(run).map((step) => ({
      step,
      key: JSON.stringify([key, step, series.wall_times[series.steps.indexOf(step)]]),
    })),
  };
}

const places = computed<Place[]>(() => {
  const wanted = wish.value;
  return wanted === null ? [] : shownSeries.value.map((run) => placeOf(run, wanted));
});

const needed = computed(() => new Set(places.value.flatMap(({ steps }) => steps.map(({ key }) => key))));

const lastWhole = new Map<string, BlocksAtStep[]>();

/** Steps that the server no longer has, though the series that we know still names them. */
const absent = new Set<string>();

export const shownStatistics = computed<StatisticsOfRun[]>(() => {
  // A new arrival changes what the cache answers.
  const since = arrivals.value;
  return places.value.map(({ run, key, steps }) => {
    const here = steps.flatMap((wanted) => cache.get(wanted.key) ?? []);
    const expected = steps.filter((wanted) => !absent.has(wanted.key));
    const stale = since < 0 || here.length < expected.length;
    if (!stale) lastWhole.set(key, here);
    return { run, steps: stale ? (lastWhole.get(key) ?? []) : here, stale };
  });
});

export const areStatisticsThere = computed(() => shownStatistics.value.every(({ stale }) => !stale));

/** Numbers and names of a block, in bytes; a histogram's bins are most of it. */
function bytesOf(blocks: Block[]): number {
  const bins = ({ linear, magnitude, binned }: Block) =>
    (linear?.counts.length ?? 0) + 2 * (magnitude?.positive.length ?? 0) + (binned?.counts.length ?? 0);
  return blocks.reduce((sum, block) => sum + 200 + 8 * bins(block), 0);
}

/** The blocks that there are at the i-th step of an answer. */
function blocksAt({ blocks }: Statistics, i: number): Block[] {
  return blocks.flatMap(({ direction, matrix, gate, ...along }) => {
    const values = Object.entries(along).map(([name, list]) => [name, list[i]] as const);
    const exists = along.count?.[i] !== null;
    return exists ? [{ direction, matrix, gate, ...(Object.fromEntries(values) as Partial<BlockFields>) }] : [];
  });
}

/** What was measured of whole matrices at the i-th step of an answer. */
function matricesAt({ matrices = [] }: Statistics, i: number): Block[] {
  return matrices.map(({ update_ratio: along, ...name }) => ({ ...name, gate: "", update_ratio: along[i] }));
}

function store(asked: Place["steps"], answer: Statistics | null): void {
  for (const { step, key } of asked) {
    const i = answer === null ? -1 : answer.steps.indexOf(step);
    if (answer === null || i < 0) {
      absent.add(key);
      continue;
    }
    const blocks = blocksAt(answer, i);
    cache.set(key, { step, blocks, matrices: matricesAt(answer, i) }, bytesOf(blocks));
  }
}

/** A long list of steps would make a longer address than some servers take. */
const mostSteps = 400;

const running = new Map<string, AbortController>();
const refused = new Set<string>();

async function load(place: Place, lacking: Place["steps"], { fields, bins = null }: Wish): Promise<void> {
  const controller = new AbortController();
  running.set(place.key, controller);
  const all = bins === null && lacking.length === place.run.series.steps.length;
  const asked = all ? lacking : lacking.slice(0, mostSteps);
  try {
    const steps = all ? null : asked.map(({ step }) => step);
    store(asked, await fetchStatistics(place.run.series, steps, { fields, bins }, controller.signal));
    resolveProblem("statistics");
  } catch (error) {
    if (!controller.signal.aborted) for (const { key } of asked) refused.add(key);
    reportProblem("statistics", error);
  }
  running.delete(place.key);
  arrivals.value++;
}

/** Keeps what was wished for up to date. */
export function watchStatistics(): () => void {
  let seen = "";
  return effect(() => {
    const wanted = wish.value;
    // Steps that were refused are asked for again at the next poll, or when a person wants it.
    const now = `${polls.value} ${attempts.value}`;
    if (now !== seen) refused.clear();
    seen = now;
    if (arrivals.value < 0) return;
    const current = new Set(places.value.map(({ key }) => key));
    for (const [key, controller] of running) if (!current.has(key)) controller.abort();
    for (const key of lastWhole.keys()) if (!current.has(key)) lastWhole.delete(key);
    const lacking = places.value.map((place) => place.steps.filter(({ key }) => !cache.has(key) && !absent.has(key)));
    // What went wrong with what no one wants any more concerns no one.
    if (wanted === null || lacking.every(({ length }) => length === 0)) resolveProblem("statistics");
    if (wanted === null) return;
    places.value.forEach((place, i) => {
      const unasked = lacking[i].filter(({ key }) => !refused.has(key));
      if (unasked.length > 0 && !running.has(place.key)) void load(place, unasked, wanted);
    });
  });
}
