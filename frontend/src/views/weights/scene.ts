/** Which matrices and norms there are, and where. */

import { computed, signal } from "@preact/signals";
import { type Scale } from "../../drawing/colour_scale";
import { type StepPoint } from "../../drawing/step_curve";
import { valueAxis, type ValueAxis } from "../../drawing/value_axis";
import { quantity, type ShownRun } from "../../state/catalogue";
import { choices, type NormKind } from "../../state/choices";
import { columns } from "../../state/columns";
import { items, type Panel, panels, scaleKind } from "../../state/panels";
import { pointAt } from "../../state/pointing";
import { type Block, shownStatistics, type Wish } from "../../state/statistics";
import { arrange, type Frame, type Group, panelsOf, type Trace } from "../histograms/arrangement";
import { isUnrecorded, spreadOf } from "./channel_norms";
import { ofMatrices, ratioAxis } from "./update_ratio";

const fewBytes = ["count", "nan", "inf", "l1_norm", "l2_norm", "update_ratio"] as const;

/** What is asked of every step. Beside it an earlier step has nothing to add. */
export function wantedFor(norm: NormKind): Wish {
  return {
    fields: norm === "channels" ? [...fewBytes, "channel_norms"] : fewBytes,
    steps: ({ series, moment }) => (moment === "now" ? series.steps : []),
  };
}

/** The matrices of one direction of one run. */
export interface MatrixBlock {
  key: string;
  run: ShownRun;
  direction: string;
  panels: Panel[];
}

export const matrixBlocks = computed<MatrixBlock[]>(() =>
  columns.value.flatMap((run) =>
    run.layer.directions.flatMap((direction) => {
      const own = items.value.filter((item) => item.startsWith(`${direction}/`));
      const found = panels.value.filter((panel) => panel.run.key === run.key && own.includes(panel.item));
      // What this run does not have leaves no hole.
      const there = found.filter(({ missing }) => missing === null);
      return there.length === 0 ? [] : [{ key: JSON.stringify([run.key, direction]), run, direction, panels: there }];
    }),
  ),
);

/** The name of a panel's matrix, without its direction. */
export function matrixOf({ item }: Pick<Panel, "item">): string {
  return item.slice(item.indexOf("/") + 1);
}

/** The blocks of a drawn matrix that are not all finite, gate by gate; of a difference they are not known. */
export function notFinite({ run, item, array }: Panel): Block[] {
  if (array === null || run.minus !== null || array.nan + array.inf === 0) return [];
  // Of a run that stands there at two steps, one entry has all of them, the other none.
  const steps = shownStatistics.value.flatMap((one) => (one.run.run === run.run ? one.steps : []));
  const blocks = steps.find(({ step }) => step === array.step)?.blocks ?? [];
  return blocks.filter(
    ({ direction, matrix, nan, inf }) => `${direction}/${matrix}` === item && (nan ?? 0) + (inf ?? 0) > 0,
  );
}

/** What is drawn over the steps: only weights are updated, of their gradients there is no such ratio. */
export const drawnNorm = computed<NormKind>(() => {
  const { norm } = choices.value;
  return norm === "update_ratio" && quantity.value?.quantity !== "weights" ? "l2" : norm;
});

export const normTexts: Record<NormKind, string> = {
  l2: "L2 norm",
  l1: "L1 norm",
  channels: "L2 norms of channels",
  update_ratio: "Update ratio",
};

export const normFields = {
  l2: "l2_norm",
  l1: "l1_norm",
  channels: "channel_norms",
  update_ratio: "update_ratio",
} as const;

/** Runs over each other, a group for each direction. */
export const normGroups = computed<Group[]>(() =>
  arrange(drawnNorm.value === "update_ratio" ? ofMatrices(shownStatistics.value) : shownStatistics.value, true),
);

/** The runs none of whose matrices say what the norms of their channels are. */
export const unrecordedRuns = computed<string[]>(() =>
  shownStatistics.value
    .filter(({ steps, stale }) => {
      const blocks = stale ? [] : steps.flatMap((step) => step.blocks);
      return blocks.some(isUnrecorded) && blocks.every((block) => spreadOf(block) === null);
    })
    .map(({ run }) => run.run),
);

export const isWaiting = computed(() => shownStatistics.value.some(({ stale }) => stale));

/** Of channels the median; null where nothing is finite, or was measured. */
export function valueOf({ block }: Frame): number | null {
  const { value: norm } = drawnNorm;
  if (norm === "channels") return spreadOf(block)?.median ?? null;
  return block[normFields[norm]] ?? null;
}

export function pointsOf({ frames }: Trace): StepPoint[] {
  return frames.map((frame) => ({ step: frame.step, value: valueOf(frame) }));
}

/** The highest points that are drawn of a trace. */
function topsOf({ frames }: Trace): StepPoint[] {
  const top = (frame: Frame) => (drawnNorm.value === "channels" ? spreadOf(frame.block)?.largest : valueOf(frame));
  return frames.map((frame) => ({ step: frame.step, value: top(frame) ?? null }));
}

export interface NormAxes {
  axis: ValueAxis;
  /** The first and the last step of all runs. */
  first: number;
  last: number;
}

function normAxis(points: readonly StepPoint[]): ValueAxis {
  const { decades } = choices.value;
  const limit = points.reduce((most, { value }) => Math.max(most, value ?? 0), 0);
  const kind = scaleKind.value === "linear" ? "linear" : "log";
  const scale: Scale = { kind, decades, limit, low: 0, high: limit };
  return valueAxis(scale, true);
}

/**
 * All gates of a matrix have one axis, in all directions and runs: what dominates is seen to. Ratios have one in all
 * matrices too: they are held against the same usual one.
 */
export const normAxes = computed<ReadonlyMap<string, NormAxes>>(() => {
  const byMatrix = new Map<string, StepPoint[]>();
  for (const panel of normGroups.value.flatMap(panelsOf)) {
    byMatrix.set(panel.matrix, [...(byMatrix.get(panel.matrix) ?? []), ...panel.traces.flatMap(topsOf)]);
  }
  const all = [...byMatrix.values()].flat();
  const steps = all.map(({ step }) => step);
  const first = steps.reduce((a, b) => Math.min(a, b), Infinity);
  const last = steps.reduce((a, b) => Math.max(a, b), -Infinity);
  const ofRatios = drawnNorm.value === "update_ratio" ? ratioAxis(all) : null;
  return new Map(
    [...byMatrix].map(([matrix, points]) => [matrix, { axis: ofRatios ?? normAxis(points), first, last }]),
  );
});

export interface PointedStep {
  panel: string;
  step: number;
}

/** The step that is pointed at in the norms, and in which panel. */
export const pointedStep = signal<PointedStep | null>(null);

/** What was pointed at last is read out: a step, or a cell of a matrix. */
export function pointAtStep(place: PointedStep | null): void {
  pointedStep.value = place;
  if (place !== null) pointAt(null);
}
