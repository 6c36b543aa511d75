/** Which arrays the screen needs, at which size. */

import { computed, signal } from "@preact/signals";
import { type ArrayLayout } from "../api";
import { type DevicePixels, layoutOf } from "./array_layouts";
import { quantity } from "./catalogue";
import { needs } from "./needs";
import { earlierStep, samples, shownSeries, snappedStep } from "./series";
import { nearestIndex } from "./steps";

/** One sample of one run, or all matrices of one run: what is fetched and kept together. */
export interface Wanted {
  /** The key of the shown run that it is for. */
  column: string;
  run: string;
  layer: string;
  quantity: string;
  step: number;
  wallTime: number;
  sample: number | null;
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

/** What the screen would need at a step, each run at its own nearest step; `inRegion` false: the whole of the arrays. */
export function wantedAt(target: number, inRegion = true): Wanted[] {
  const room = panelPixels.value;
  if (room === null || !needs.value.arrays) return [];
  const items = quantity.value?.kind === "matrices" ? [null] : samples.value;
  return shownSeries.value.flatMap((run) => {
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
    return items.map((sample) => ({ ...common, sample }));
  });
}

export const wanted = computed<Wanted[]>(() => (snappedStep.value === null ? [] : wantedAt(snappedStep.value)));
