/** What the view shows: the panels, and the axes that they share. */

import { computed } from "@preact/signals";
import { type BinAxis } from "../../drawing/bin_axis";
import { type Rows, rowsOver, sharesByRow } from "../../drawing/density_map";
import { axisOver, barsOf, densityLimit, type Histogram } from "../../drawing/histogram";
import { type ScaleKind } from "../../drawing/colour_scale";
import { choices } from "../../state/choices";
import { scaleKind } from "../../state/panels";
import { type SeriesOfRun, targetStep } from "../../state/series";
import { shownStatistics, type Wish } from "../../state/statistics";
import { nearestStep } from "../../state/steps";
import { arrange, type Group, type HistogramField, type HistogramPanel, panelsOf } from "./arrangement";
import { drawsDifferences, largestDifference } from "./differences";
import { thinnedSteps, withStep } from "./step_choice";

const mostRidges = 24;
const mostColumns = 128;

function stepsOf({ series, moment }: SeriesOfRun): number[] {
  const { over } = choices.value;
  // Where all steps are drawn, the earlier one is among them.
  if (over !== "step" && moment === "earlier") return [];
  const at = targetStep({ moment });
  if (over === "map") return thinnedSteps(series.steps, mostColumns);
  if (over === "ridges") return withStep(thinnedSteps(series.steps, mostRidges), series.steps, at);
  const nearest = at === null ? null : nearestStep(series.steps, at);
  return nearest === null ? [] : [nearest];
}

const field = computed<HistogramField>(() => (scaleKind.value === "linear" ? "linear" : "magnitude"));

/** On the other scales a bin is an octave; the rows of a map are its own. */
export const chosenBins = computed<number | null>(() => {
  const { bins, over } = choices.value;
  return over !== "map" && field.value === "linear" ? bins : null;
});

export const wanted = computed<Wish>(() => ({
  fields: ["count", "nan", "inf", "minimum", "maximum", field.value],
  steps: stepsOf,
  bins: chosenBins.value,
}));

export const groups = computed<Group[]>(() =>
  arrange(shownStatistics.value, choices.value.over === "step", field.value),
);

export const isWaiting = computed(() => shownStatistics.value.some(({ stale }) => stale));

/**
 * Panels with the same key have the same axes: all gates of a matrix, and what else is wished. Overlaid runs always have.
 * Matrices never share them: beside a bias of few values the thousands of a kernel would be a flat line.
 */
export function axesKey(group: Pick<Group, "run" | "direction">, panel: HistogramPanel): string {
  const run = group.run?.run ?? null;
  const { equal } = choices.value;
  if (equal === "none") return panel.key;
  if (equal === "direction") return JSON.stringify([panel.matrix, run, group.direction]);
  return JSON.stringify([panel.matrix, equal === "directions" ? run : null]);
}

export interface PanelAxes {
  key: string;
  axis: BinAxis;
  /** The density at which bars are cut off. */
  limit: number;
  /** Where histograms are subtracted, the largest difference of densities. */
  differenceLimit: number;
  /** For a density map: its rows, and the largest share in any row of the maps with these axes. */
  rows: Rows;
  largestShare: number;
}

function histogramsOf({ traces }: HistogramPanel): Histogram[] {
  return traces.flatMap(({ frames }) => frames.flatMap(({ histogram }) => histogram ?? []));
}

function axesOver(key: string, members: readonly HistogramPanel[], kind: ScaleKind): PanelAxes {
  const { decades, clip, over } = choices.value;
  const histograms = members.flatMap(histogramsOf);
  const rows = rowsOver(histograms, kind, decades);
  const axis = over === "map" ? rows.axis : axisOver(histograms, kind, decades);
  const bars = over === "map" ? [] : histograms.map((histogram) => barsOf(histogram, axis));
  const shares = over === "map" ? histograms.map((histogram) => sharesByRow(histogram, rows)) : [];
  const largestShare = shares.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0);
  const differenceLimit = drawsDifferences() ? largestDifference(members, axis) : 0;
  return { key, axis, limit: densityLimit(bars, clip), differenceLimit, rows, largestShare };
}

/** The axes of every panel, by the panel's key. */
export const axesOfPanels = computed<ReadonlyMap<string, PanelAxes>>(() => {
  const kind = scaleKind.value;
  const shared = new Map<string, HistogramPanel[]>();
  for (const group of groups.value) {
    for (const panel of panelsOf(group)) {
      const key = axesKey(group, panel);
      shared.set(key, [...(shared.get(key) ?? []), panel]);
    }
  }
  const found = new Map<string, PanelAxes>();
  for (const [key, members] of shared) {
    const axes = axesOver(key, members, kind);
    for (const panel of members) found.set(panel.key, axes);
  }
  return found;
});

/** The largest share in any of the maps: what their one colour bar is labelled with. */
export const largestShare = computed(() =>
  [...axesOfPanels.value.values()].reduce((most, axes) => Math.max(most, axes.largestShare), 0),
);
