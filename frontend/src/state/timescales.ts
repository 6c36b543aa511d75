/** The timescales of the units of the row that is open, and of the layers that stand for it in the other runs. */

import { computed, effect, signal } from "@preact/signals";
import { fetchTimescales, type Timescales, type TimescalesAnswer } from "../api_health";
import { index, layerName, layerOf, pairedLayer, polls, selectedRuns, shownRuns } from "./catalogue";
import { choices } from "./choices";
import { scrubbing } from "./playback";
import { attempts, reportProblem, resolveProblem } from "./problems";
import { shownSeries, snappedStep } from "./series";
import { nearestIndex } from "./steps";

export { type Timescales } from "../api_health";

const wished = signal(false);

/** Says whether they are to be fetched from now on. */
export function wishTimescales(wanted: boolean): void {
  wished.value = wanted;
}

export interface ComparedLayer {
  run: string;
  position: number;
  layer: string;
}

/** The layer of the open row, first, and those of the other selected runs. */
export const comparedLayers = computed<ComparedLayer[]>(() => {
  const { row } = choices.value;
  if (row === null) return [];
  const [ownRun, name] = row;
  const all = selectedRuns.value.flatMap((run) => {
    const layer = layerOf(run, name) ?? (name === layerName.value ? pairedLayer(run) : undefined);
    return layer === undefined ? [] : [{ run: run.run, position: run.position, layer: layer.layer }];
  });
  return all.sort((a, b) => Number(b.run === ownRun) - Number(a.run === ownRun));
});

/** The step of a layer that will be answered for another: where it is the same, so is the answer. */
function stampOf({ run, layer }: ComparedLayer, step: number | null): string {
  const own = shownSeries.value.find((shown) => shown.run === run && shown.layer.layer === layer)?.series;
  // Of what has no arrays here only the index says, by its revision, that a step has come: to whatever layer.
  if (own === undefined || own.array_steps.length === 0) return index.value?.revision ?? "";
  const at = step === null ? own.array_steps.length - 1 : nearestIndex(own.array_steps, step);
  return `${own.array_steps.at(at)} ${own.array_wall_times.at(at)}`;
}

interface Question {
  layers: ComparedLayer[];
  step: number | null;
  /** Of which layers. */
  subject: string;
  /** At which of their steps. */
  asked: string;
}

const question = computed<Question>(() => {
  const layers = comparedLayers.value;
  const step = snappedStep.value;
  const stamps = layers.map((layer) => stampOf(layer, step));
  return { layers, step, subject: JSON.stringify(layers), asked: JSON.stringify([layers, step, stamps]) };
});

interface Answer extends TimescalesAnswer {
  asked: string;
}

const answer = signal<Answer | null>(null);

export interface TimescalesOfLayer {
  of: ComparedLayer;
  /** Of each direction; those of a step before, until this one's have come. */
  directions: Timescales[];
  reason: string | null;
}

export const timescales = computed<TimescalesOfLayer[]>(() =>
  comparedLayers.value.flatMap((of) => {
    const isOwn = (one: { run: string; layer: string }) => one.run === of.run && one.layer === of.layer;
    const directions = answer.value?.timescales.filter(isOwn) ?? [];
    const reason = answer.value?.missing.find(isOwn)?.reason ?? null;
    return directions.length === 0 && reason === null ? [] : [{ of, directions, reason }];
  }),
);

export const areTimescalesThere = computed(
  () => !wished.value || question.value.layers.length === 0 || answer.value?.asked === question.value.asked,
);

/** While the steps are on their way it is not known which to ask for; nor worth it for each while they fly by. */
const isStepSettled = computed(() => !scrubbing.value && shownSeries.value.length >= shownRuns.value.length);

let running: { subject: string; controller: AbortController } | null = null;
const arrivals = signal(0);

async function load({ layers, step, subject, asked }: Question): Promise<void> {
  running?.controller.abort();
  const own = { subject, controller: new AbortController() };
  running = own;
  try {
    const found = await fetchTimescales(layers, step, own.controller.signal);
    answer.value = { asked, ...found };
    if (running === own) running = null;
    resolveProblem("timescales");
    arrivals.value++;
  } catch (error) {
    reportProblem("timescales", error);
    if (running === own) running = null;
  }
}

/** Keeps them up to date. */
export function watchTimescales(): () => void {
  return effect(() => {
    const now = question.value;
    // Read so that a retry and the next poll ask again what was refused.
    if (attempts.value + polls.value + arrivals.value < 0 || !wished.value || now.layers.length === 0) return;
    // Steps that come, or are gone through, faster than answers must not keep every answer from coming.
    if (isStepSettled.value && answer.peek()?.asked !== now.asked && running?.subject !== now.subject) void load(now);
  });
}
