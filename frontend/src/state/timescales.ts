/** The timescales of the units of the row that is open, and of the layers that stand for it in the other runs. */

import { computed, effect, signal } from "@preact/signals";
import { fetchTimescales, type Timescales, type TimescalesAnswer } from "../api_health";
import { index, layerName, layerOf, pairedLayer, polls, selectedRuns, shownRuns } from "./catalogue";
import { choices } from "./choices";
import { LatestAnswer, type Question } from "./latest_answer";
import { scrubbing } from "./playback";
import { attempts } from "./problems";
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

interface TimescalesQuestion extends Question {
  layers: ComparedLayer[];
  step: number | null;
}

/** Its subject is the layers; it is another where another of their steps is meant. */
const question = computed<TimescalesQuestion>(() => {
  const layers = comparedLayers.value;
  const step = snappedStep.value;
  const stamps = layers.map((layer) => stampOf(layer, step));
  return { layers, step, subject: JSON.stringify(layers), asked: JSON.stringify([layers, step, stamps]) };
});

const latest = new LatestAnswer<TimescalesQuestion, TimescalesAnswer>("timescales", ({ layers, step }, signal) =>
  fetchTimescales(layers, step, signal),
);

export interface TimescalesOfLayer {
  of: ComparedLayer;
  /** Of each direction; those of a step before, until this one's have come. */
  directions: Timescales[];
  reason: string | null;
}

export const timescales = computed<TimescalesOfLayer[]>(() =>
  comparedLayers.value.flatMap((of) => {
    const isOwn = (one: { run: string; layer: string }) => one.run === of.run && one.layer === of.layer;
    const answer = latest.value?.answer;
    const directions = answer?.timescales.filter(isOwn) ?? [];
    const reason = answer?.missing.find(isOwn)?.reason ?? null;
    return directions.length === 0 && reason === null ? [] : [{ of, directions, reason }];
  }),
);

const isWanted = computed(() => wished.value && comparedLayers.value.length > 0);

export const areTimescalesThere = computed(() => !isWanted.value || latest.isOf(question.value));

/** While the steps are on their way it is not known which to ask for; nor worth it for each while they fly by. */
const isStepSettled = computed(() => !scrubbing.value && shownSeries.value.length >= shownRuns.value.length);

/** Keeps them up to date. */
export function watchTimescales(): () => void {
  return effect(() => {
    const now = question.value;
    // Read so that a retry and the next poll ask again what was refused.
    if (attempts.value + polls.value < 0) return;
    if (!isWanted.value) latest.want(null);
    else if (isStepSettled.value) latest.want(now);
  });
}
