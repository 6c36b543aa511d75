/** The norms of a gradient at every timestep of every step: fetched run by run as they grow. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError } from "../api";
import { fetchProfiles, type Profiles, type ProfilesAnswer } from "../api_health";
import { polls, type ShownRun, shownRuns } from "./catalogue";
import { choices } from "./choices";
import { attempts, reportProblem, resolveProblem } from "./problems";

export { type Profiles, type ProfileStatistic } from "../api_health";

const wished = signal(false);

/** Says whether they are to be fetched from now on. */
export function wishProfiles(wanted: boolean): void {
  wished.value = wanted;
}

interface Kept {
  /** What the index said of the series when they were read: when that changes, so have they. */
  stamp: string;
  /** Of each direction. */
  profiles: Profiles[];
  /** Why there are none. */
  reason: string | null;
}

const kept = signal<ReadonlyMap<string, Kept>>(new Map());

function keyOf({ run, layer, quantity }: ShownRun): string {
  return JSON.stringify([run, layer.layer, quantity.quantity, choices.value.statistic]);
}

function stampOf({ quantity: { last_step, last_wall_time } }: ShownRun): string {
  return `${last_step} ${last_wall_time}`;
}

const asked = computed<ShownRun[]>(() =>
  wished.value ? shownRuns.value.filter(({ moment }) => moment === "now") : [],
);

export interface ProfilesOfRun {
  run: ShownRun;
  profiles: Profiles[];
  reason: string | null;
}

/** What is there of the shown runs; those of a step before, until this one's have come. */
export const shownProfiles = computed<ProfilesOfRun[]>(() =>
  asked.value.flatMap((run) => {
    const found = kept.value.get(keyOf(run));
    return found === undefined ? [] : [{ run, profiles: found.profiles, reason: found.reason }];
  }),
);

export const areProfilesThere = computed(() =>
  asked.value.every((run) => kept.value.get(keyOf(run))?.stamp === stampOf(run)),
);

/** Of a run alone that has none the answer is a 404: its sentence is the reason. */
async function answerFor(runs: ShownRun[], signal: AbortSignal): Promise<ProfilesAnswer> {
  const wanted = runs.map(({ run, layer }) => ({ run, layer: layer.layer }));
  const { quantity } = runs[0].quantity;
  try {
    return await fetchProfiles(wanted, quantity, choices.peek().statistic, signal);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    return { profiles: [], missing: wanted.map((one) => ({ ...one, quantity, reason: error.message })) };
  }
}

function keep(runs: ShownRun[], keys: readonly string[], { profiles, missing }: ProfilesAnswer): void {
  const next = new Map(kept.peek());
  runs.forEach((run, i) => {
    next.set(keys[i], {
      stamp: stampOf(run),
      profiles: profiles.filter((one) => one.run === run.run),
      reason: missing.find((one) => one.run === run.run)?.reason ?? null,
    });
  });
  // What is no longer shown is cheap to fetch again, and would only grow.
  const current = new Set(asked.peek().map(keyOf));
  kept.value = new Map([...next].filter(([key]) => current.has(key)));
}

let running: { keys: readonly string[]; controller: AbortController } | null = null;

async function load(runs: ShownRun[], keys: readonly string[]): Promise<void> {
  running?.controller.abort();
  const own = { keys, controller: new AbortController() };
  running = own;
  try {
    const answer = await answerFor(runs, own.controller.signal);
    if (running === own) running = null;
    keep(runs, keys, answer);
    resolveProblem("profiles");
  } catch (error) {
    // What went wrong with what no one looks at any more concerns no one.
    if (asked.peek().some((run) => keys.includes(keyOf(run)))) reportProblem("profiles", error);
    if (running === own) running = null;
  }
}

/** Keeps them up to date. */
export function watchProfiles(): () => void {
  return effect(() => {
    // Read so that a retry and the next poll ask again for what was refused.
    if (attempts.value + polls.value < 0) return;
    const lacking = asked.value.filter((run) => kept.value.get(keyOf(run))?.stamp !== stampOf(run));
    const keys = lacking.map(keyOf);
    if (lacking.length === 0) resolveProblem("profiles");
    // Steps that come faster than answers must not keep every answer from coming.
    const isAsked = keys.every((key) => running?.keys.includes(key) === true);
    if (!isAsked) void load(lacking, keys);
  });
}
