/**
 * A vertical axis of values: a scale, and the part of it that is in sight.
 *
 * The scale gives a value its place t (colour_scale.ts has the formulas); its height is (t − bottom)/(top − bottom).
 */

import { place, type Scale } from "./colour_scale";
import { numberText, spacedText } from "./number_text";
import { type BarTick, decadeValues, roundValues, tickText } from "./ticks";

export interface ValueAxis {
  scale: Scale;
  /** Places of the lower and the upper end. */
  bottom: number;
  top: number;
}

/** An axis from the smallest to the largest value of its scale, stretched to zero where that has to be in sight. */
export function valueAxis(scale: Scale, withZero: boolean): ValueAxis {
  if (scale.kind === "log") return { scale, bottom: 0, top: 1 };
  const low = place(scale, scale.low);
  const high = place(scale, scale.high);
  const bottom = withZero ? Math.min(0, low) : low;
  const top = withZero ? Math.max(0, high) : high;
  // Values that are all equal run through the middle.
  if (bottom === top) return { scale, bottom: bottom - 1, top: top + 1 };
  return { scale, bottom, top };
}

/** 0 at the lower end, 1 at the upper; beyond both outside the axis. */
export function heightOf({ scale, bottom, top }: ValueAxis, value: number): number {
  return (place(scale, value) - bottom) / (top - bottom);
}

interface Candidate {
  value: number;
  text: string;
}

function linearTicks({ scale, bottom, top }: ValueAxis): Candidate[] {
  // Beyond the limit all values have one place.
  const values = roundValues(bottom * scale.limit, top * scale.limit).filter((value) => Math.abs(value) <= scale.limit);
  const step = values.length > 1 ? values[1] - values[0] : 1;
  // Zero first: of ticks that are too close to each other the later ones go.
  const ordered = values.includes(0) ? [0, ...values.filter((value) => value !== 0)] : values;
  const found = ordered.map((value) => ({ value, text: spacedText(value, step) }));
  // Values that are all equal run where no round number may stand.
  const isAlone = scale.low === scale.high && bottom < place(scale, scale.low) && place(scale, scale.low) < top;
  return isAlone ? [{ value: scale.low, text: numberText(scale.low) }, ...found] : found;
}

function decadeTicks({ scale }: ValueAxis): Candidate[] {
  const values = scale.kind === "log" ? decadeValues(scale, [1]) : [0, ...decadeValues(scale, [1, -1])];
  return values.map((value) => ({ value, text: tickText(value, scale, false) }));
}

/** Round numbers or powers of ten along the axis, none closer to another than `apart` of its height. */
export function axisTicks(axis: ValueAxis, apart: number): BarTick[] {
  if (axis.scale.limit === 0) return [{ position: heightOf(axis, 0), text: "0" }];
  const ticks: BarTick[] = [];
  for (const { value, text } of axis.scale.kind === "linear" ? linearTicks(axis) : decadeTicks(axis)) {
    const position = heightOf(axis, value);
    const inside = position > -1e-6 && position < 1 + 1e-6;
    if (inside && ticks.every((tick) => Math.abs(tick.position - position) >= apart)) ticks.push({ position, text });
  }
  return ticks.sort((a, b) => a.position - b.position);
}
