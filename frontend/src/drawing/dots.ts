/** Draws one dot a channel and sample: channels to the right, the samples of a channel beside each other in its slot. */

import { type Cells, numberOf } from "./picture";
import { heightOf, type ValueAxis } from "./value_axis";

/** Slots and heights, and the pixels that they are drawn into. */
export interface DotPlane {
  channels: number;
  samples: number;
  axis: ValueAxis;
  /** In device pixels. */
  width: number;
  height: number;
  inset: number;
}

function slotOf({ channels, width, inset }: DotPlane): number {
  return (width - 2 * inset) / Math.max(1, channels);
}

/** Where the slot of a channel begins. */
export function slotEdge(plane: DotPlane, channel: number): number {
  return plane.inset + channel * slotOf(plane);
}

/** The share of a slot that the samples of a channel take. */
const spread = 0.6;

export function dotX(plane: DotPlane, channel: number, sample: number): number {
  const offset = (sample + 0.5) / plane.samples - 0.5;
  return plane.inset + (channel + 0.5 + spread * offset) * slotOf(plane);
}

export function dotY({ axis, height, inset }: DotPlane, value: number): number {
  return inset + (1 - heightOf(axis, value)) * (height - 2 * inset);
}

/** The slot that holds an x. */
export function slotAt(plane: DotPlane, x: number): number {
  return Math.max(0, Math.min(plane.channels - 1, Math.floor((x - plane.inset) / slotOf(plane))));
}

/** As large as the dots of a slot can be beside each other, within what is seen with ease and what is no blot. */
export function radiusOf(plane: DotPlane, ratio: number): number {
  const room = (spread * slotOf(plane)) / (2 * plane.samples);
  return Math.max(2 * ratio, Math.min(3.5 * ratio, room));
}

export interface DotLook {
  /** Of each channel. */
  colours: readonly string[];
  radius: number;
  /** The colour of the line at zero; null for none. */
  zero: string | null;
  /** Where another direction begins: lines before these channels. */
  dividers: readonly number[];
  divider: string;
}

/** Values are one array a sample, one value a channel. What is not finite is left out. */
export function paintDots(canvas: HTMLCanvasElement, samples: readonly Cells[], plane: DotPlane, look: DotLook): void {
  const { width, height, channels } = plane;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  context.fillStyle = look.divider;
  for (const before of look.dividers) {
    context.fillRect(Math.round(slotEdge(plane, before)), 0, 1, height);
  }
  const zero = Math.floor(dotY(plane, 0));
  if (look.zero !== null && zero >= 0 && zero < height) {
    context.fillStyle = look.zero;
    context.fillRect(0, zero, width, 1);
  }
  for (let channel = 0; channel < channels; channel++) {
    context.fillStyle = look.colours[channel];
    samples.forEach((cells, sample) => {
      const value = numberOf(cells, channel);
      if (!Number.isFinite(value)) return;
      context.beginPath();
      context.arc(dotX(plane, channel, sample), dotY(plane, value), look.radius, 0, 2 * Math.PI);
      context.fill();
    });
  }
}
