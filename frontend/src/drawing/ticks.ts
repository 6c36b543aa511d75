/** Where the numbers stand: on a colour bar, along timesteps, along channels. */

import { type ColourMap } from "./colour_maps";
import { isRange, isUnsigned, position, type Scale, usedPositions, valueAt } from "./colour_scale";
import { numberText, spacedText } from "./number_text";

export interface BarTick {
  /** 0 at the bar's lower end, 1 at its upper. */
  position: number;
  text: string;
}

/** 1, 2 or 5 times a power of ten, not below the given number. */
export function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= atLeast * (1 - 1e-9)) ?? 10 * power;
}

/** Whole numbers from 0 to count − 1 to write along a side, about `spacing` pixels apart. */
export function indexTicks(count: number, pixels: number, spacing: number): number[] {
  return rangeTicks(0, Math.max(0, count - 1), pixels, spacing);
}

/** Whole numbers from the first to the last to write along a side, about `spacing` pixels apart. */
export function rangeTicks(first: number, last: number, pixels: number, spacing: number): number[] {
  const count = last - first + 1;
  if (count <= 1) return [first];
  const step = Math.max(1, roundStep((spacing * count) / Math.max(1, pixels)));
  const ticks = [];
  for (let tick = Math.ceil(first / step) * step; tick <= last; tick += step) ticks.push(tick);
  // The ends say what the side covers, where their numbers do not run into the one beside them.
  const fits = (one: number, other: number | undefined) =>
    other === undefined || (Math.abs(other - one) * pixels) / count >= 0.6 * spacing;
  if (ticks.at(0) !== first && fits(first, ticks.at(0))) ticks.unshift(first);
  if (ticks.at(-1) !== last && fits(last, ticks.at(-1))) ticks.push(last);
  return ticks;
}

/** Powers of ten up to the limit and as far down as the scale tells them apart, the largest first. */
export function decadeValues(scale: Scale, signs: number[]): number[] {
  const top = Math.floor(Math.log10(scale.limit) + 1e-9);
  const values = [];
  for (let exponent = top; exponent > Math.log10(scale.limit) - scale.decades - 1; exponent--) {
    for (const sign of signs) values.push(sign * Number(`1e${exponent}`));
  }
  return values;
}

/** About five round numbers between two ends. */
export function roundValues(low: number, high: number): number[] {
  const step = roundStep((high - low) / 5);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function candidates(scale: Scale, map: ColourMap): number[] {
  if (scale.kind === "linear") {
    if (isRange(scale, map)) return roundValues(scale.low, scale.high);
    return [0, ...roundValues(-scale.limit, scale.limit)];
  }
  if (scale.kind === "log") return decadeValues(scale, [1]);
  return [0, ...decadeValues(scale, map.diverging && !isUnsigned(scale) ? [1, -1] : [1])];
}

/** With as many digits as tell the numbers on a bar from each other. */
function barText(value: number, scale: Scale, map: ColourMap): string {
  const signed = map.diverging && !isUnsigned(scale);
  if (!isRange(scale, map)) return tickText(value, scale, signed);
  const text = spacedText(value, roundStep((scale.high - scale.low) / 5));
  return signed && value > 0 ? `+${text}` : text;
}

export function tickText(value: number, scale: Scale, signed: boolean): string {
  const power = scale.kind !== "linear" && value !== 0 && Math.abs(value) !== 1;
  const text = power
    ? (value < 0 ? "\u2212" : "") + Math.abs(value).toExponential(0).replace("+", "")
    : numberText(value, 4);
  return signed && value > 0 ? `+${text}` : text;
}

/**
 * Zero and powers of ten (round numbers on a linear scale), none closer to another than `apart` of the bar. Zero comes
 * first, then the largest: where there is no room it is the small decades near zero that go.
 */
export function barTicks(scale: Scale, map: ColourMap, apart: number): BarTick[] {
  const [start, end] = usedPositions(scale, map);
  const along = (value: number) => (position(scale, map, value) - start) / (end - start);
  if (scale.limit === 0) return [{ position: along(0), text: "0" }];
  if (isRange(scale, map) && scale.low === scale.high)
    return [{ position: 0.5, text: tickText(scale.low, scale, false) }];
  const unsigned = isUnsigned(scale);
  const ticks: BarTick[] = [];
  for (const value of candidates(scale, map)) {
    const at = along(value);
    const inside = !unsigned || value >= valueAt(scale, map, start) * (1 - 1e-9);
    if (inside && ticks.every((tick) => Math.abs(tick.position - at) >= apart)) {
      ticks.push({ position: at, text: barText(value, scale, map) });
    }
  }
  return ticks.sort((a, b) => a.position - b.position);
}
