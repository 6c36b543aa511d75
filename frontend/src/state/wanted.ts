/** Which arrays the screen needs, at which size. */

import { computed, signal } from "@preact/signals";
import { quantity } from "./catalogue";
import { needs } from "./needs";
import { samples, type SeriesOfRun, shownSeries, snappedStep } from "./series";
import { nearestIndex } from "./steps";

/** One sample of one run, or all matrices of one run: what is fetched and kept together. */
export interface Wanted {
  run: string;
  layer: string;
  quantity: string;
  step: number;
  wallTime: number;
  sample: number | null;
  maxRows: number | null;
  maxColumns: number | null;
}

export interface DevicePixels {
  width: number;
  height: number;
}

/** The room that a panel has; null until a view has laid itself out. */
export const panelPixels = signal<DevicePixels | null>(null);

export function setPanelPixels(pixels: DevicePixels): void {
  const now = panelPixels.peek();
  if (now?.width !== pixels.width || now.height !== pixels.height) panelPixels.value = pixels;
}

const mostPixels = 8192;
const grain = 256;

/** Rounded up, so that dragging the window's edge does not fetch everything again at every pixel. */
function rounded(pixels: number): number {
  return Math.min(mostPixels, Math.max(1, Math.ceil(pixels / grain)) * grain);
}

/**
 * How many columns to ask for when two directions share them: no pooled column may hold channels of both, so the block
 * must divide the units.
 */
export function columnsToAsk(columns: number, room: number, units: number | null): number | null {
  if (columns <= room) return null;
  if (units === null) return room;
  let block = Math.ceil(columns / room);
  while (units % block !== 0) block--;
  return block === 1 ? null : columns / block;
}

function poolingOf(run: SeriesOfRun, at: number, room: DevicePixels): Pick<Wanted, "maxRows" | "maxColumns"> {
  const width = rounded(room.width);
  const height = rounded(room.height);
  const shape = run.series.shapes?.at(run.series.steps.indexOf(at));
  // The series does not tell a matrix's shape; the server pools only what is larger.
  if (run.quantity.kind === "matrices" || shape?.length !== 3) return { maxRows: height, maxColumns: width };
  const [, timesteps, channels] = shape;
  const units = run.layer.directions.length > 1 ? channels / 2 : null;
  return { maxRows: timesteps > width ? width : null, maxColumns: columnsToAsk(channels, height, units) };
}

/** What the screen would need at a step, each run at its own nearest step. */
export function wantedAt(target: number): Wanted[] {
  const room = panelPixels.value;
  if (room === null || !needs.value.arrays) return [];
  const items = quantity.value?.kind === "matrices" ? [null] : samples.value;
  return shownSeries.value.flatMap((run) => {
    const at = nearestIndex(run.series.array_steps, target);
    if (at < 0) return [];
    const common = {
      run: run.run,
      layer: run.layer.layer,
      quantity: run.quantity.quantity,
      step: run.series.array_steps[at],
      wallTime: run.series.array_wall_times[at],
      ...poolingOf(run, run.series.array_steps[at], room),
    };
    return items.map((sample) => ({ ...common, sample }));
  });
}

export const wanted = computed<Wanted[]>(() => (snappedStep.value === null ? [] : wantedAt(snappedStep.value)));
