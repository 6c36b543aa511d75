/**
 * What the view shows of each run: the dots of its single timestep, and how its values are distributed, held against those of
 * an earlier step or of another run.
 *
 * The scale is linear: within one timestep nothing fades with time, and the dots of a channel are to be compared by their
 * plain heights. Runs that differ by decades are looked at each on its own axis.
 */

import { computed } from "@preact/signals";
import { sumLinear } from "../../drawing/histogram_sum";
import { type LinearHistogram } from "../../drawing/histogram";
import { distinctColour, visibleColour } from "../../drawing/line_colours";
import { type FiniteSummary } from "../../drawing/summary";
import { valueAxis, type ValueAxis } from "../../drawing/value_axis";
import { type LoadedArray } from "../../state/arrays";
import { keyOfRun, type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { columns } from "../../state/columns";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { panels, scaleOver } from "../../state/panels";
import { earlierStep, type SeriesOfRun, shownSeries, targetStep } from "../../state/series";
import { shownStatistics, type StatisticsOfRun, type Wish } from "../../state/statistics";
import { nearestStep } from "../../state/steps";
import { foundChannels } from "../curves/scene";

/** A run's arrays, each one timestep of a sample. */
export interface Dots {
  key: string;
  run: ShownRun;
  /** The samples that have come, in order. */
  samples: { sample: number; array: LoadedArray }[];
  /** The channels that are drawn. */
  channels: number[];
  stale: boolean;
  missing: string | null;
}

/** How many timesteps a run's sequences have; null where that is not known. */
function timestepsOf({ series }: SeriesOfRun): number | null {
  return series.shapes?.at(-1)?.[1] ?? null;
}

/** The runs whose quantity has more timesteps than one. */
export const longRuns = computed(() =>
  shownSeries.value.flatMap((run) => {
    const timesteps = timestepsOf(run);
    return run.moment === "now" && timesteps !== null && timesteps > 1 ? [{ run: run.run, timesteps }] : [];
  }),
);

function dotsOf(run: ShownRun): Dots {
  const own = panels.value.filter((panel) => panel.run.key === run.key);
  const samples = own.flatMap(({ array }) =>
    typeof array?.sample === "number" && array.full_shape[0] === 1 ? [{ sample: array.sample, array }] : [],
  );
  const width = Math.max(0, ...samples.map(({ array }) => array.shape[1]));
  return {
    key: JSON.stringify(["scatter", run.key]),
    run,
    samples,
    channels: foundChannels.value.channels.filter((channel) => channel < width),
    stale: own.some(({ stale }) => stale),
    missing: samples.length > 0 ? null : (own.find(({ missing }) => missing !== null)?.missing ?? null),
  };
}

export const allDots = computed<Dots[]>(() => {
  const long = new Set(longRuns.value.map(({ run }) => run));
  return columns.value.filter(({ run }) => !long.has(run)).map(dotsOf);
});

function axisOver(extents: readonly FiniteSummary[]): ValueAxis {
  return valueAxis(scaleOver(extents, "linear", 0), choices.value.zero);
}

const sharedAxis = computed(() => axisOver(allDots.value.flatMap(({ samples }) => samples.map(({ array }) => array))));

export function axisOf({ samples }: Dots): ValueAxis {
  return choices.value.shared ? sharedAxis.value : axisOver(samples.map(({ array }) => array));
}

/** Of each channel that is drawn: its own, which it keeps whatever else is drawn, or that of its run. */
export function coloursOf({ run, channels }: Dots): string[] {
  const isDark = dark.value;
  const own = visibleColour(runColour(run.position), isDark);
  return channels.map((channel) => (choices.value.dots === "run" ? own : distinctColour(channel, isDark)));
}

/** The step whose dots are drawn: distributions are of the same. */
function ownStep({ series, moment }: SeriesOfRun): number | null {
  const step = targetStep({ moment });
  return step === null ? null : nearestStep(series.array_steps, step);
}

/** The step that a run's distribution is held against: the earlier one, or the first that was written. */
function stepBefore({ series, moment }: SeriesOfRun): number | null {
  if (moment === "earlier") return null;
  return earlierStep.value === null ? (series.steps.at(0) ?? null) : nearestStep(series.array_steps, earlierStep.value);
}

export const wanted = computed<Wish>(() => ({
  fields: ["count", "nan", "inf", "linear"],
  steps: (run) => [...new Set([stepBefore(run), ownStep(run)].filter((step) => step !== null))].sort((a, b) => a - b),
}));

/** How the values of a whole batch are distributed at a step. */
export interface Distribution {
  run: string;
  step: number;
  /** null where nothing is finite. */
  histogram: LinearHistogram | null;
  count: number;
}

export interface Distributions {
  own: Distribution | null;
  /** What it is held against; null where there is nothing else. */
  against: Distribution | null;
}

function distributionAt({ run, steps }: StatisticsOfRun, step: number | null): Distribution | null {
  const found = steps.find((candidate) => candidate.step === step);
  if (found === undefined) return null;
  const count = found.blocks.reduce((sum, block) => sum + (block.count ?? 0), 0);
  const all = found.blocks.flatMap(({ linear }) => linear ?? []);
  return {
    run: run.run,
    step: found.step,
    histogram: sumLinear(all.filter(({ counts }) => counts.length > 0)),
    count,
  };
}

function statisticsOf({ run, moment }: ShownRun): StatisticsOfRun | undefined {
  const key = keyOfRun(run, moment);
  return shownStatistics.value.find((one) => one.run.key === key);
}

function distributionsOf(column: ShownRun): Distributions {
  const own = statisticsOf(column);
  if (own === undefined) return { own: null, against: null };
  const drawn = distributionAt(own, ownStep(own.run));
  // Taking away another step of the same run, or nothing: the earlier step of its own.
  const other = column.minus === null || column.minus.run === column.run ? undefined : statisticsOf(column.minus);
  const against =
    other === undefined ? distributionAt(own, stepBefore(own.run)) : distributionAt(other, ownStep(other.run));
  const isSame = against?.run === drawn?.run && against?.step === drawn?.step;
  return { own: drawn, against: isSame ? null : against };
}

/** By the column's key. */
export const distributions = computed<ReadonlyMap<string, Distributions>>(
  () => new Map(columns.value.map((column) => [column.key, distributionsOf(column)])),
);
