/**
 * The axis along which values are counted. A value v lies at
 *
 *   linear   u = v
 *   symlog   u = sign(v)·(1 + log2|v| − floor), and u = v/2^floor where |v| < 2^floor
 *   log      the same of the magnitude |v|
 *
 * so that on the last two every octave is one unit wide, and what is smaller than 2^floor lies between −1 and 1.
 */

import { type ScaleKind } from "./colour_scale";
import { spacedText } from "./number_text";
import { roundStep } from "./ticks";

export interface BinAxis {
  kind: ScaleKind;
  /** The exponent of the smallest magnitude that is told apart from zero; 0 where the axis is linear. */
  floor: number;
  /** Both ends, as u. */
  low: number;
  high: number;
}

export function placeOf(axis: BinAxis, value: number): number {
  if (axis.kind === "linear") return value;
  const magnitude = Math.abs(value);
  const least = 2 ** axis.floor;
  const u = magnitude < least ? magnitude / least : 1 + Math.log2(magnitude) - axis.floor;
  return axis.kind === "log" || value >= 0 ? u : -u;
}

/** The value that lies at u. */
export function valueAtPlace(axis: BinAxis, u: number): number {
  if (axis.kind === "linear") return u;
  const magnitude = Math.abs(u);
  const value = magnitude < 1 ? magnitude * 2 ** axis.floor : 2 ** (magnitude - 1 + axis.floor);
  return u < 0 ? -value : value;
}

/** How far along the axis u lies: 0 at its lower end, 1 at its upper. */
export function fractionOf(axis: BinAxis, u: number): number {
  return (u - axis.low) / (axis.high - axis.low);
}

export interface AxisTick {
  /** From 0 to 1. */
  fraction: number;
  text: string;
}

function powerText(value: number): string {
  if (value === 0) return "0";
  const text = Math.abs(value) === 1 ? "1" : Math.abs(value).toExponential(0).replace("+", "");
  return value < 0 ? `\u2212${text}` : text;
}

/** Zero, and powers of ten from the largest down. */
function powers(axis: BinAxis): number[] {
  const octaves = Math.max(axis.high, -axis.low) - 1;
  if (octaves <= 0) return [0];
  const top = Math.floor((axis.floor + octaves) * Math.log10(2) + 1e-9);
  const least = Math.ceil(axis.floor * Math.log10(2) - 1e-9);
  const exponents = Array.from({ length: Math.max(0, top - least + 1) }, (_, i) => top - i);
  return [0, ...exponents.flatMap((exponent) => [Number(`1e${exponent}`), -Number(`1e${exponent}`)])];
}

function roundNumbers(axis: BinAxis, step: number): number[] {
  const first = Math.ceil(axis.low / step - 1e-9);
  const count = Math.floor(axis.high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Round numbers on a linear axis, zero and powers of ten on the others; none closer to another than `apart`. */
export function axisTicks(axis: BinAxis, apart: number): AxisTick[] {
  const linear = axis.kind === "linear";
  const step = roundStep((axis.high - axis.low) * apart);
  const candidates = linear ? roundNumbers(axis, step) : powers(axis);
  const ticks: AxisTick[] = [];
  for (const value of candidates) {
    const fraction = fractionOf(axis, placeOf(axis, value));
    const inside = fraction > -1e-9 && fraction < 1 + 1e-9 && (axis.kind !== "log" || value >= 0);
    const text = linear ? spacedText(value, step) : powerText(value);
    // An axis may be narrower than the last digit of its numbers.
    const isFree = (tick: AxisTick) => tick.text !== text && Math.abs(tick.fraction - fraction) >= apart * (1 - 1e-9);
    if (inside && ticks.every(isFree)) ticks.push({ fraction, text });
  }
  return ticks.sort((a, b) => a.fraction - b.fraction);
}
