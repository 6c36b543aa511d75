/** Which arrays the screen needs, at which size. */

import { computed, signal } from "@preact/signals";
import { type ArrayLayout } from "../api";
import { type DevicePixels, layoutOf, matrixRegionLayout } from "./array_layouts";
import { quantity } from "./catalogue";
import { needs } from "./needs";
import { zoomedMatrices } from "./region";
import { earlierStep, samples, type SeriesOfRun, shownSeries, snappedStep } from "./series";
import { nearestIndex } from "./steps";

/** One sample of one run, all matrices of one run, or a region of one of them: what is fetched and kept together. */
export interface Wanted {
  /** The key of the shown run that it is for. */
  column: string;
  run: string;
  layer: string;
  quantity: string;
  step: number;
  wallTime: number;
  sample: number | null;
  /** The matrix, where it is a region of one that was zoomed into. */
  matrix: string | null;
  layout: ArrayLayout;
  /** The step whose order the channels have: the same for two moments of a run that stand beside each other. */
  orderStep: number;
}

/** The room that a panel has; null until a view has laid itself out. */
export const panelPixels = signal<DevicePixels | null>(null);

export function setPanelPixels(pixels: DevicePixels): void {
  const now = panelPixels.peek();
  if (now?.width !== pixels.width || now.height !== pixels.height) panelPixels.value = pixels;
}

/** Of those matrices that were zoomed into and are larger than the screen. */
function matrixRegions(run: SeriesOfRun, room: DevicePixels): Pick<Wanted, "matrix" | "layout">[] {
  return zoomedMatrices.value.flatMap((matrix) => {
    const layout = matrixRegionLayout(run, matrix, room);
    return layout === null ? [] : [{ matrix, layout }];
  });
}

/** What the screen would need at a step, each run at its own nearest step; `inRegion` false: the whole of the arrays. */
export function wantedAt(target: number, inRegion = true): Wanted[] {
  const room = panelPixels.value;
  if (room === null || !needs.value.arrays) return [];
  const areMatrices = quantity.value?.kind === "matrices";
  return shownSeries.value.flatMap((run): Wanted[] => {
    const at = nearestIndex(run.series.array_steps, run.moment === "earlier" ? (earlierStep.value ?? target) : target);
    if (at < 0) return [];
    const now = nearestIndex(run.series.array_steps, target);
    const common = {
      column: run.key,
      run: run.run,
      layer: run.layer.layer,
      quantity: run.quantity.quantity,
      step: run.series.array_steps[at],
      wallTime: run.series.array_wall_times[at],
      layout: layoutOf(run, run.series.array_steps[at], room, inRegion),
      orderStep: run.series.array_steps[now],
    };
    if (!areMatrices) return samples.value.map((sample) => ({ ...common, sample, matrix: null }));
    const whole = { ...common, sample: null, matrix: null };
    if (!inRegion || needs.value.arranges !== true) return [whole];
    return [whole, ...matrixRegions(run, room).map((region) => ({ ...whole, ...region }))];
  });
}

export const wanted = computed<Wanted[]>(() => (snappedStep.value === null ? [] : wantedAt(snappedStep.value)));
