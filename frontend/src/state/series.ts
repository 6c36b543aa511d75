/** Which steps the shown runs have. */

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { fetchSeries, type Series } from "../api";
import { layerName, polls, quantity, type ShownRun, shownRuns } from "./catalogue";
import { choices } from "./choices";
import { needs } from "./needs";
import { attempts, reportProblem, resolveProblem } from "./problems";
import { nearestStep, unionOfSteps } from "./steps";

interface Kept {
  /** What the index said of the series when it was read: when that changes, so has the series. */
  stamp: string;
  series: Series;
}

const kept = signal<ReadonlyMap<string, Kept>>(new Map());

function keyOf(run: string, layer: string, name: string): string {
  return JSON.stringify([run, layer, name]);
}

function stampOf({ quantity: { last_step, last_wall_time } }: ShownRun): string {
  return `${last_step} ${last_wall_time}`;
}

/** Steps and arrays are loaded one after the other: the arrays of the last step may still be on their way. */
function isBehind(series: Series): boolean {
  return series.array_steps.at(-1) !== series.steps.at(-1);
}

function lacksSeries(run: ShownRun, name: string): boolean {
  const found = kept.peek().get(keyOf(run.run, run.layer.layer, name));
  return found?.stamp !== stampOf(run) || isBehind(found.series);
}

let running: { asked: string; controller: AbortController } | null = null;

async function load(lacking: ShownRun[], name: string): Promise<void> {
  const stamps = new Map(lacking.map((run) => [run.run, stampOf(run)]));
  const layers = new Map(lacking.map(({ run, layer }) => [run, layer.layer]));
  const asked = JSON.stringify([name, ...stamps, ...layers]);
  // An answer that is on its way already needs no second one.
  if (running?.asked === asked) return;
  running?.controller.abort();
  const own = { asked, controller: new AbortController() };
  running = own;
  try {
    const wanted = [...layers].map(([run, layer]) => ({ run, layer }));
    const answer = await fetchSeries(wanted, name, own.controller.signal);
    const next = new Map(kept.peek());
    for (const series of answer.series) {
      next.set(keyOf(series.run, series.layer, name), { stamp: stamps.get(series.run) ?? "", series });
    }
    kept.value = next;
    resolveProblem("series");
  } catch (error) {
    if (running === own) reportProblem("series", error);
  } finally {
    if (running === own) running = null;
  }
}

/** Keeps the series of what is shown up to date. */
export function watchSeries(): () => void {
  let attempt = attempts.peek();
  return effect(() => {
    // Read so that the effect runs again at every poll.
    if (polls.value < 0) return;
    // A TensorBoard that was started anew may keep other arrays of the very same steps.
    const isAskedAnew = attempts.value !== attempt;
    attempt = attempts.value;
    const name = layerName.value === null ? undefined : quantity.value?.quantity;
    const lacking = name === undefined ? [] : shownRuns.value.filter((run) => isAskedAnew || lacksSeries(run, name));
    if (name !== undefined && lacking.length > 0) {
      void load(lacking, name);
      return;
    }
    // What went wrong with what no one looks at any more concerns no one.
    running?.controller.abort();
    running = null;
    resolveProblem("series");
  });
}

export interface SeriesOfRun extends ShownRun {
  series: Series;
}

export const shownSeries = computed<SeriesOfRun[]>(() =>
  shownRuns.value.flatMap((run) => {
    const found = kept.value.get(keyOf(run.run, run.layer.layer, run.quantity.quantity));
    return found === undefined ? [] : [{ ...run, series: found.series }];
  }),
);

/** Until the series of a newly chosen quantity has come, the controls stay as they were instead of flickering. */
function held<T>(compute: () => T): ReadonlySignal<T> {
  let last: T | undefined;
  return computed(() => {
    const waiting = shownSeries.value.length === 0 && shownRuns.value.length > 0;
    last = waiting && last !== undefined ? last : compute();
    return last;
  });
}

export const writtenSteps = held(() => unionOfSteps(shownSeries.value.map(({ series }) => series.steps)));
/** Those that the view can show: what draws no arrays can show every step that was written. */
export const keptSteps = held(() =>
  needs.value.arrays ? unionOfSteps(shownSeries.value.map(({ series }) => series.array_steps)) : writtenSteps.value,
);

/** The step that is looked at: the chosen one, or the latest that can be shown. */
export const step = computed<number | null>(() => choices.value.step ?? keptSteps.value.at(-1) ?? null);

/** The nearest step that can be shown of some run. */
export const snappedStep = computed<number | null>(() =>
  step.value === null ? null : nearestStep(keptSteps.value, step.value),
);

/** The step that stands beside it; null where none is chosen. */
export const earlierStep = computed<number | null>(() => {
  const { earlier } = choices.value;
  if (earlier === null) return null;
  return earlier === "first" ? (keptSteps.value.at(0) ?? null) : nearestStep(keptSteps.value, earlier);
});

/** The step that a column is to show, or its nearest. */
export function targetStep({ moment }: Pick<ShownRun, "moment">): number | null {
  return moment === "earlier" ? earlierStep.value : snappedStep.value;
}

/** "Arrays of 144 of 150 steps were sampled away": how many of how many. */
export const sampledAway = computed(() => {
  const arrays = new Set(keptSteps.value);
  return { written: writtenSteps.value.length, away: writtenSteps.value.filter((at) => !arrays.has(at)).length };
});

/** How many samples the arrays of the shown steps hold, and how many were written; null for matrices. */
export const sampleCounts = held<{ kept: number; written: number } | null>(() => {
  const counts = shownSeries.value.flatMap(({ series }) => {
    const { samples_kept, shapes } = series;
    if (samples_kept === null || shapes === null || samples_kept.length === 0) return [];
    return [{ kept: samples_kept[samples_kept.length - 1], written: shapes[shapes.length - 1][0] }];
  });
  if (counts.length === 0) return null;
  return { kept: Math.max(...counts.map((c) => c.kept)), written: Math.max(...counts.map((c) => c.written)) };
});

const samplesAtFirst = 2;

export const samples = computed<number[]>(() => {
  const available = sampleCounts.value?.kept ?? 0;
  const chosen = choices.value.samples ?? Array.from({ length: samplesAtFirst }, (_, sample) => sample);
  return chosen.filter((sample) => sample < available);
});
