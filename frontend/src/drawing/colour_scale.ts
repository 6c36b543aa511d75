/**
 * From a value to one of a map's 256 colours.
 *
 * A scale first gives the value a place t, clamped to [−1, 1]:
 *
 *   symlog   t = sign(v)·log1p(|v|/c) / log1p(limit/c)   with c = limit·10^−decades
 *   linear   t = v / limit
 *   log      t = 1 + log10(|v|/limit) / decades          of the magnitude, clamped to [0, 1]
 *
 * of the value, or of its magnitude where signs are left out. The map turns the place into a position p from 0 to 1:
 *
 *   diverging map    p = (1 + t)/2, zero at the centre; log, and without signs: the map's upper half
 *   sequential map   symlog, log: p = |t|;   linear: p = (v − low)/(high − low)
 *   range            linear: p = (v − low)/(high − low) on any map
 *
 * and the colour is the map's number min(255, floor(256·p)), as in matplotlib.
 */

import { type ColourMap, packedHex } from "./colour_maps";

export const scaleKinds = ["symlog", "linear", "log"] as const;
export type ScaleKind = (typeof scaleKinds)[number];

export interface Scale {
  kind: ScaleKind;
  decades: number;
  /** The largest finite magnitude on the scale. */
  limit: number;
  /** The smallest and the largest finite value, for a linear scale on a sequential map. */
  low: number;
  high: number;
  /** Whether signs are left out: the scale is then of magnitudes, and low is 0. */
  absolute?: boolean;
  /** Whether a linear scale runs from low to high on a diverging map too, with zero wherever it falls. */
  range?: boolean;
}

function clamped(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}

/** The place t of a finite value, in float64. */
export function place(scale: Scale, value: number): number {
  const { kind, limit, decades } = scale;
  if (limit === 0) return 0;
  const magnitude = Math.abs(value);
  if (kind === "linear") return clamped(value / limit, -1, 1);
  if (kind === "log") return magnitude === 0 ? 0 : clamped(1 + Math.log10(magnitude / limit) / decades, 0, 1);
  const c = limit * 10 ** -decades;
  const t = Math.log1p(magnitude / c) / Math.log1p(limit / c);
  return clamped(value < 0 ? -t : t, -1, 1);
}

export function isRange(scale: Scale, map: ColourMap): boolean {
  return scale.kind === "linear" && (!map.diverging || scale.range === true);
}

/** The position p on the map, 0 to 1. */
export function position(scale: Scale, map: ColourMap, value: number): number {
  const placed = scale.absolute === true ? Math.abs(value) : value;
  if (isRange(scale, map)) {
    return scale.high > scale.low ? clamped((placed - scale.low) / (scale.high - scale.low), 0, 1) : 0.5;
  }
  const t = place(scale, placed);
  return map.diverging ? (1 + t) / 2 : Math.abs(t);
}

/** The value that stands at a position: what the colour bar is labelled with. */
export function valueAt(scale: Scale, map: ColourMap, p: number): number {
  if (isRange(scale, map)) return scale.low + p * (scale.high - scale.low);
  const t = map.diverging ? 2 * p - 1 : p;
  if (scale.kind === "linear") return t * scale.limit;
  if (scale.kind === "log") return scale.limit * 10 ** ((t - 1) * scale.decades);
  const c = scale.limit * 10 ** -scale.decades;
  return Math.sign(t) * c * Math.expm1(Math.abs(t) * Math.log1p(scale.limit / c));
}

/** The colour's number in the map, 0 to 255. */
export function level(scale: Scale, map: ColourMap, value: number): number {
  return Math.min(255, Math.floor(256 * position(scale, map, value)));
}

/** Whether every place on the scale is that of a magnitude. */
export function isUnsigned(scale: Scale): boolean {
  return scale.kind === "log" || scale.absolute === true;
}

/** Positions of the map that the scale uses: one of magnitudes leaves the lower half of a diverging map out. */
export function usedPositions(scale: Scale, map: ColourMap): [number, number] {
  return isUnsigned(scale) && map.diverging && !isRange(scale, map) ? [0.5, 1] : [0, 1];
}

/**
 * Whether the range is too narrow for the 65,536-entry table. An entry stands for values within a relative 2^−8, so it errs by about
 * largest/(high − low) colours: less than one when zero lies in the range, many for a narrow range far from zero.
 */
function isNarrow(scale: Scale, map: ColourMap): boolean {
  return isRange(scale, map) && Math.max(Math.abs(scale.low), Math.abs(scale.high)) > scale.high - scale.low;
}

/** Smaller ones are denormal: fewer and fewer of their digits are in their upper 16 bits. */
const leastNormal = 2 ** -126;

/** Whether the colours tell denormal numbers apart, of which the table knows a few only. */
function isDenormal({ kind, limit, decades }: Scale): boolean {
  return limit > 0 && (kind === "linear" ? limit : limit * 10 ** -decades) < leastNormal;
}

export function isTableTooCoarse(scale: Scale, map: ColourMap): boolean {
  return isNarrow(scale, map) || isDenormal(scale);
}

/** The colour of every bfloat16, which is to say of every float32 by its upper 16 bits. */
export function colourTable(scale: Scale, map: ColourMap): Uint32Array {
  const table = new Uint32Array(65536);
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  for (let half = 0; half < 0x7f80; half++) {
    for (const bits of [half, half | 0x8000]) {
      // All float32 with these upper bits share the entry: the middle one errs least. Zero is exact.
      word[0] = half === 0 ? 0 : (bits << 16) | 0x8000;
      table[bits] = map.colours[level(scale, map, float[0])];
    }
  }
  const nan = packedHex(map.special.nan);
  table.fill(nan, 0x7f81, 0x8000);
  table.fill(nan, 0xff81, 0x10000);
  table[0x7f80] = packedHex(map.special.positiveInfinity);
  table[0xff80] = packedHex(map.special.negativeInfinity);
  return table;
}

/** The colour of one value by the formula itself, where the table is too coarse. */
export function colourOf(scale: Scale, map: ColourMap, value: number): number {
  if (Number.isNaN(value)) return packedHex(map.special.nan);
  if (value === Infinity) return packedHex(map.special.positiveInfinity);
  if (value === -Infinity) return packedHex(map.special.negativeInfinity);
  return map.colours[level(scale, map, value)];
}
