/** The panels to draw: what each shows, and on which kind of scale. */

import { computed } from "@preact/signals";
import { type Scale, type ScaleKind } from "../drawing/colour_scale";
import { arrivalFor, arrivals, type LoadedArray } from "./arrays";
import { keyOfRun, quantity, type ShownRun } from "./catalogue";
import { choices } from "./choices";
import { areDifferences, columns } from "./columns";
import { differenceOf, isWhole, mismatchOf } from "./differences";
import { suitableScale } from "./names";
import { problem } from "./problems";
import { samples, step } from "./series";
import { wanted, type Wanted } from "./wanted";

export interface Panel {
  key: string;
  run: ShownRun;
  /** Which row of the grid: "sample 0", "forward/kernel". */
  item: string;
  array: LoadedArray | null;
  /** The array of another step, until this one's has come. */
  stale: boolean;
  /** Why there is no array and none is on its way. */
  missing: string | null;
}

const matrixOrder = ["kernel", "recurrent_kernel", "bias"];

function matrixPlace(matrix: string): number {
  const [direction, name] = matrix.split("/");
  const place = matrixOrder.indexOf(name);
  return (direction === "backward" ? 100 : 0) + (place < 0 ? matrixOrder.length : place);
}

export function sortMatrices(names: string[]): string[] {
  return [...new Set(names)].sort((a, b) => matrixPlace(a) - matrixPlace(b));
}

const found = computed(() => {
  // A new arrival changes what arrivalFor answers.
  const since = arrivals.value;
  return wanted.value.map((item) => ({ item, since, ...arrivalFor(item) }));
});

/** The rows of the grid. */
export const items = computed<string[]>(() => {
  if (quantity.value?.kind !== "matrices") return samples.value.map((sample) => `sample ${sample}`);
  return sortMatrices(found.value.flatMap(({ arrival }) => arrival?.arrays.map(({ matrix }) => matrix ?? "") ?? []));
});

function itemOf(array: Pick<LoadedArray, "sample" | "matrix">): string {
  return array.matrix ?? `sample ${array.sample ?? 0}`;
}

function reasonFor(run: ShownRun, item: string, wantedHere: Wanted | undefined, reason: string | null): string | null {
  if (wantedHere === undefined) {
    return step.value === null ? null : `${run.run} has no arrays of ${item}`;
  }
  return reason;
}

type Content = Pick<Panel, "array" | "stale" | "missing">;

/** What came of a run's item. */
function contentOf(run: ShownRun, item: string): Content {
  const column = keyOfRun(run.run, run.moment);
  const own = found.value.filter(({ item: w }) => w.column === column);
  const here = own.find(({ item: w }) => w.matrix === null && (w.sample === null || `sample ${w.sample}` === item));
  const arrayIn = (one: typeof here) => one?.arrival?.arrays.find((candidate) => itemOf(candidate) === item) ?? null;
  const array = arrayIn(here);
  const region = own.find(({ item: w }) => w.matrix === item);
  if (region !== undefined) {
    // The right step first, if in coarse cells; then the right cells, if of another step.
    const fine = arrayIn(region);
    if (fine !== null && !region.stale) return { array: fine, stale: false, missing: null };
    if (array !== null) return { array: here?.stale === true ? (fine ?? array) : array, stale: true, missing: null };
  }
  const noMatrix = here?.item.sample === null && here.arrival !== undefined ? `no ${item}` : null;
  const missing = array === null ? reasonFor(run, item, here?.item, here?.arrival?.missing ?? noMatrix) : null;
  return { array, stale: here?.stale ?? false, missing };
}

/** What is left of it when that of another is taken away. */
function differenceContent(run: ShownRun, minus: ShownRun, item: string): Content {
  const [one, other] = [contentOf(run, item), contentOf(minus, item)];
  const stale = one.stale || other.stale;
  const nothing = { array: null, stale };
  if (one.array === null || other.array === null) return { ...nothing, missing: one.missing ?? other.missing };
  const mismatch = mismatchOf(one.array, other.array);
  if (mismatch !== null) return { ...nothing, missing: mismatch };
  // Pooled arrays, as they were before a difference was asked for: the whole ones are on their way.
  if (!isWhole(one.array) || !isWhole(other.array)) return { ...nothing, missing: null };
  return { array: differenceOf(one.array, other.array), stale, missing: null };
}

export const panels = computed<Panel[]>(() =>
  columns.value.flatMap((run) =>
    items.value.map((item) => ({
      key: JSON.stringify([run.key, item]),
      run,
      item,
      ...(run.minus === null ? contentOf(run, item) : differenceContent(run, run.minus, item)),
    })),
  ),
);

/** Whether something is drawn that is not yet what was asked for. */
export const isLoading = computed(() => problem.value === null && found.value.some(({ stale }) => stale));

/** The chosen scale, or the one that suits the quantity. */
export const scaleKind = computed<ScaleKind>(() => {
  const { scale } = choices.value;
  return scale === "automatic" ? suitableScale(quantity.value?.quantity ?? "", areDifferences.value) : scale;
});

/** The scale on which all the given arrays find their place. */
export function scaleOver(
  arrays: readonly Pick<LoadedArray, "low" | "high">[],
  kind: ScaleKind,
  decades: number,
): Scale {
  const ends = arrays.flatMap(({ low, high }) => (low === null || high === null ? [] : [low, high]));
  const low = ends.reduce((a, b) => Math.min(a, b), ends.at(0) ?? 0);
  const high = ends.reduce((a, b) => Math.max(a, b), ends.at(0) ?? 0);
  return { kind, decades, limit: Math.max(Math.abs(low), Math.abs(high)), low, high };
}
