/** Which matrices and norms there are, and where. */

import { computed, signal } from "@preact/signals";
import { type Scale } from "../../drawing/colour_scale";
import { type StepPoint } from "../../drawing/step_curve";
import { valueAxis, type ValueAxis } from "../../drawing/value_axis";
import { type ShownRun, shownRuns } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { items, type Panel, panels, scaleKind } from "../../state/panels";
import { type Block, shownStatistics, type Wish } from "../../state/statistics";
import { arrange, type Group, panelsOf, type Trace } from "../histograms/arrangement";

/** Norms and counts at every step: they are few bytes. */
export const wanted: Wish = {
  fields: ["count", "nan", "inf", "l1_norm", "l2_norm"],
  steps: ({ series }) => series.steps,
};

/** The matrices of one direction of one run. */
export interface MatrixBlock {
  key: string;
  run: ShownRun;
  direction: string;
  panels: Panel[];
}

export const matrixBlocks = computed<MatrixBlock[]>(() =>
  shownRuns.value.flatMap((run) =>
    run.layer.directions.flatMap((direction) => {
      const own = items.value.filter((item) => item.startsWith(`${direction}/`));
      const found = panels.value.filter((panel) => panel.run.run === run.run && own.includes(panel.item));
      // What this run does not have leaves no hole.
      const there = found.filter(({ missing }) => missing === null);
      return there.length === 0 ? [] : [{ key: JSON.stringify([run.run, direction]), run, direction, panels: there }];
    }),
  ),
);

/** The name of a panel's matrix, without its direction. */
export function matrixOf({ item }: Pick<Panel, "item">): string {
  return item.slice(item.indexOf("/") + 1);
}

/** The blocks of a drawn matrix that are not all finite, gate by gate. */
export function notFinite({ run, item, array }: Panel): Block[] {
  if (array === null || array.nan + array.inf === 0) return [];
  const own = shownStatistics.value.find((one) => one.run.run === run.run);
  const blocks = own?.steps.find(({ step }) => step === array.step)?.blocks ?? [];
  return blocks.filter(
    ({ direction, matrix, nan, inf }) => `${direction}/${matrix}` === item && (nan ?? 0) + (inf ?? 0) > 0,
  );
}

/** Runs over each other, a group for each direction. */
export const normGroups = computed<Group[]>(() => arrange(shownStatistics.value, true));

export function pointsOf({ frames }: Trace): StepPoint[] {
  const field = choices.value.norm === "l1" ? "l1_norm" : "l2_norm";
  return frames.map(({ step, block }) => ({ step, value: block[field] ?? null }));
}

export interface NormAxes {
  axis: ValueAxis;
  /** The first and the last step of all runs. */
  first: number;
  last: number;
}

/** All gates of a matrix have one axis, in all directions and runs: what dominates is seen to. */
export const normAxes = computed<ReadonlyMap<string, NormAxes>>(() => {
  const { decades } = choices.value;
  const byMatrix = new Map<string, StepPoint[]>();
  for (const panel of normGroups.value.flatMap(panelsOf)) {
    byMatrix.set(panel.matrix, [...(byMatrix.get(panel.matrix) ?? []), ...panel.traces.flatMap(pointsOf)]);
  }
  const steps = [...byMatrix.values()].flat().map(({ step }) => step);
  const first = steps.reduce((a, b) => Math.min(a, b), Infinity);
  const last = steps.reduce((a, b) => Math.max(a, b), -Infinity);
  return new Map(
    [...byMatrix].map(([matrix, points]) => {
      const limit = points.reduce((most, { value }) => Math.max(most, value ?? 0), 0);
      const kind = scaleKind.value === "linear" ? "linear" : "log";
      const scale: Scale = { kind, decades, limit, low: 0, high: limit };
      return [matrix, { axis: valueAxis(scale, true), first, last }];
    }),
  );
});

/** The step that is pointed at in the norms, and in which panel. */
export const pointedStep = signal<{ panel: string; step: number } | null>(null);
