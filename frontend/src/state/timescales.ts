/** The timescales of the units of the row that is open, and of the layers that stand for it in the other runs. */

import { computed, effect, signal } from "@preact/signals";
import { fetchTimescales, type Timescales, type TimescalesAnswer } from "../api_health";
import { index, layerName, layerOf, pairedLayer, polls, selectedRuns } from "./catalogue";
import { choices } from "./choices";
import { dragging } from "./playback";
import { attempts, reportProblem, resolveProblem } from "./problems";
import { snappedStep } from "./series";

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

interface Question {
  layers: ComparedLayer[];
  step: number | null;
  subject: string;
  /** With the revision of the index, which changes with every step that comes. */
  asked: string;
}

const question = computed<Question>(() => {
  const layers = comparedLayers.value;
  const step = snappedStep.value;
  const subject = JSON.stringify([layers, step]);
  return { layers, step, subject, asked: JSON.stringify([index.value?.revision, subject]) };
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
    // Steps that come faster than answers must not keep every answer from coming.
    if (!dragging.value && answer.peek()?.asked !== now.asked && running?.subject !== now.subject) void load(now);
  });
}
