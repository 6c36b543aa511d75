/** The panels to draw: what each shows, under which scale and colours. */

import { computed } from "@preact/signals";
import { colourMap, type ColourMap, type ColourMapName } from "../drawing/colour_maps";
import { type Scale, type ScaleKind } from "../drawing/colour_scale";
import { type Arrangement } from "../drawing/picture";
import { arrivalFor, arrivals, type LoadedArray } from "./arrays";
import { quantity, type ShownRun, shownRuns } from "./catalogue";
import { choices, type ColourChoice } from "./choices";
import { dark } from "./host";
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

export const panels = computed<Panel[]>(() =>
  shownRuns.value.flatMap((run) =>
    items.value.map((item) => {
      const here = found.value.find(
        ({ item: w }) =>
          w.run === run.run && (w.sample === null || itemOf({ sample: w.sample, matrix: null }) === item),
      );
      const array = here?.arrival?.arrays.find((candidate) => itemOf(candidate) === item) ?? null;
      const noMatrix = here?.item.sample === null && here.arrival !== undefined ? `no ${item}` : null;
      const missing = array === null ? reasonFor(run, item, here?.item, here?.arrival?.missing ?? noMatrix) : null;
      return { key: JSON.stringify([run.run, item]), run, item, array, stale: here?.stale ?? false, missing };
    }),
  ),
);

/** Whether something is drawn that is not yet what was asked for. */
export const isLoading = computed(() => problem.value === null && found.value.some(({ stale }) => stale));

/** The chosen scale, or the one that suits the quantity. */
export const scaleKind = computed<ScaleKind>(() => {
  const { scale } = choices.value;
  return scale === "automatic" ? suitableScale(quantity.value?.quantity ?? "") : scale;
});

/** The map for a choice: automatic follows the theme, and takes the sequential map for magnitudes. */
function mapFor(colours: ColourChoice, magnitudes: boolean, isDark: boolean): ColourMapName {
  if (colours !== "automatic") return colours;
  if (magnitudes) return "cividis";
  return isDark ? "berlin" : "vik";
}

export const map = computed<ColourMap>(() => {
  const { colours, absolute } = choices.value;
  return colourMap(mapFor(colours, absolute || scaleKind.value === "log", dark.value));
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

/** The same as it is chosen: with signs, or without. */
function chosenScale(arrays: readonly LoadedArray[]): Scale {
  const { decades, absolute } = choices.value;
  const scale = scaleOver(arrays, scaleKind.value, decades);
  return absolute ? { ...scale, low: 0, high: scale.limit, absolute } : scale;
}

export const sharedScale = computed<Scale>(() => chosenScale(panels.value.flatMap(({ array }) => array ?? [])));

export function scaleOf(array: LoadedArray): Scale {
  return choices.value.shared ? sharedScale.value : chosenScale([array]);
}

/** How an array is laid out on the screen. */
export function arrangementOf(run: ShownRun, array: LoadedArray, maxWidth: number, maxHeight: number): Arrangement {
  const sequence = array.matrix === null;
  const bidirectional = sequence && run.layer.directions.length > 1;
  return {
    transposed: sequence,
    boundary: bidirectional ? array.full_shape[1] / 2 : null,
    reflected: bidirectional && choices.value.reflect,
    maxWidth,
    maxHeight,
  };
}
