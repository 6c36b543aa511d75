/** Histograms as bars along a value axis: how high they are, where they are clipped, and the outline to draw. */

import { type ScaleKind } from "./colour_scale";
import { fractionOf, type BinAxis } from "./bin_axis";

/** Bin i covers [(first_bin + i)·2^exponent, (first_bin + i + 1)·2^exponent). */
export interface LinearHistogram {
  exponent: number;
  first_bin: number;
  counts: readonly number[];
}

/** With m = 2^(first_exponent + i), bin i covers m ≤ |v| < 2m of either sign. */
export interface MagnitudeHistogram {
  first_exponent: number;
  negative: readonly number[];
  positive: readonly number[];
  zero: number;
}

/** Bins of equal width from `low` to `high`. */
export interface BinnedHistogram {
  low: number;
  high: number;
  counts: readonly number[];
}

export type Histogram = LinearHistogram | MagnitudeHistogram | BinnedHistogram;

export interface Bars {
  /** As u of the axis, ascending: one more than there are counts. */
  edges: readonly number[];
  counts: readonly number[];
  total: number;
}

/** Whether all its bins are equally wide. */
function isLinear(histogram: Histogram): histogram is LinearHistogram | BinnedHistogram {
  return "counts" in histogram;
}

/** The edge below the i-th bin. */
export function linearEdge(histogram: LinearHistogram | BinnedHistogram, i: number): number {
  if ("exponent" in histogram) return (histogram.first_bin + i) * 2 ** histogram.exponent;
  const { low, high, counts } = histogram;
  return i === counts.length ? high : low + (i * (high - low)) / counts.length;
}

function linearAxis(histograms: readonly Histogram[]): BinAxis {
  const ends = histograms
    .filter(isLinear)
    .flatMap((histogram) => [0, histogram.counts.length].map((i) => linearEdge(histogram, i)));
  const low = ends.reduce((a, b) => Math.min(a, b), ends.at(0) ?? 0);
  const high = ends.reduce((a, b) => Math.max(a, b), ends.at(0) ?? 1);
  return { kind: "linear", floor: 0, low, high };
}

function magnitudeAxis(histograms: readonly Histogram[], kind: ScaleKind, decades: number): BinAxis {
  const used = histograms.flatMap((histogram) =>
    isLinear(histogram) || histogram.positive.length === 0 ? [] : [histogram],
  );
  if (used.length === 0) return { kind, floor: 0, low: kind === "log" ? 0 : -1, high: 1 };
  const top = used.reduce(
    (a, { first_exponent, positive }) => Math.max(a, first_exponent + positive.length),
    -Infinity,
  );
  const least = used.reduce((a, { first_exponent }) => Math.min(a, first_exponent), Infinity);
  const floor = Math.max(least, top - Math.ceil(decades * Math.log2(10)));
  const far = 1 + top - floor;
  const has = (sign: "negative" | "positive") => used.some((histogram) => histogram[sign].some((count) => count > 0));
  if (kind === "log") return { kind, floor, low: 0, high: far };
  return { kind, floor, low: has("negative") ? -far : -1, high: has("positive") ? far : 1 };
}

/** The axis on which all the given histograms find their place. */
export function axisOver(histograms: readonly Histogram[], kind: ScaleKind, decades: number): BinAxis {
  return kind === "linear" ? linearAxis(histograms) : magnitudeAxis(histograms, kind, decades);
}

function countsByOctave(counts: readonly number[], first: number, axis: BinAxis): { below: number; octaves: number[] } {
  const octaves = Array.from({ length: Math.max(axis.high, -axis.low) - 1 }, () => 0);
  let below = 0;
  counts.forEach((count, i) => {
    const octave = first + i - axis.floor;
    if (octave < 0) below += count;
    else if (count > 0) octaves[octave] += count;
  });
  return { below, octaves };
}

function magnitudeBars(histogram: MagnitudeHistogram, axis: BinAxis): Bars {
  const { first_exponent: first, zero } = histogram;
  const negative = countsByOctave(histogram.negative, first, axis);
  const positive = countsByOctave(histogram.positive, first, axis);
  const small = zero + negative.below + positive.below;
  const total = [...histogram.negative, ...histogram.positive].reduce((a, b) => a + b, zero);
  if (axis.kind === "log") {
    const counts = [small, ...positive.octaves.map((count, i) => count + negative.octaves[i])];
    return { edges: Array.from({ length: counts.length + 1 }, (_, i) => i), counts, total };
  }
  const down = negative.octaves.slice(0, -axis.low - 1).reverse();
  const up = positive.octaves.slice(0, axis.high - 1);
  const edges = [...down.map((_, i) => axis.low + i), -1, 1, ...up.map((_, i) => i + 2)];
  return { edges, counts: [...down, small, ...up], total };
}

export function barsOf(histogram: Histogram, axis: BinAxis): Bars {
  if (!isLinear(histogram)) return magnitudeBars(histogram, axis);
  const { counts } = histogram;
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => linearEdge(histogram, i));
  return { edges, counts, total: counts.reduce((a, b) => a + b, 0) };
}

/** The share of all values in a bar for each unit of the axis, so that bars of all widths cover an area of one. */
export function densities({ edges, counts, total }: Bars): number[] {
  return counts.map((count, i) => count / (total * (edges[i + 1] - edges[i])));
}

/** How many of the tallest bars may be cut off, as see-rnn's hist_clipped does by default. */
const peaksClipped = 2;
/** Clipping less than this would take more from the peaks than it gives to the rest. */
const worthwhile = 1.5;

function ownLimit(bars: Bars): number {
  const tallest = densities(bars).sort((a, b) => b - a);
  const next = tallest.at(peaksClipped) ?? 0;
  return tallest[0] > worthwhile * next ? next : tallest[0];
}

/**
 * The density at which all the given histograms are cut off; without clipping, that of the tallest bar. Values that are
 * all equal fill a bar as narrow as their last digit, whose density means nothing: of such alone each reaches the limit.
 */
export function densityLimit(all: readonly Bars[], clipping: boolean): number {
  const filled = all.filter(({ total }) => total > 0);
  const tallest = filled.reduce((most, bars) => densities(bars).reduce((a, b) => Math.max(a, b), most), 0);
  const clipped = filled.reduce((most, bars) => Math.max(most, ownLimit(bars)), 0);
  if (!clipping || filled.length === 0) return tallest;
  return clipped > 0
    ? clipped
    : filled.reduce((least, bars) => Math.min(least, Math.max(...densities(bars))), Infinity);
}

export interface Peak {
  /** The middle of its bar, as a fraction of the axis. */
  fraction: number;
  /** The share of all values in it. */
  share: number;
}

/** The bars that are cut off; of several beside each other the tallest. */
export function clippedPeaks(bars: Bars, axis: BinAxis, limit: number): Peak[] {
  const peaks: Peak[] = [];
  let before = -2;
  densities(bars).forEach((density, i) => {
    if (density <= limit * (1 + 1e-9)) return;
    const fraction = fractionOf(axis, (bars.edges[i] + bars.edges[i + 1]) / 2);
    const peak = { fraction, share: bars.counts[i] / bars.total };
    if (before !== i - 1) peaks.push(peak);
    else if (peak.share > peaks[peaks.length - 1].share) peaks[peaks.length - 1] = peak;
    before = i;
  });
  return peaks;
}

export interface Outline {
  width: number;
  /** The y of no values, and that of the limit; what is higher goes on to `top`. */
  base: number;
  limitAt: number;
  top: number;
}

function short(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

/** An SVG path around the bars, from the first that holds a value to the last. */
export function outlinePath(bars: Bars, axis: BinAxis, limit: number, outline: Outline): string {
  const { width, base, limitAt, top } = outline;
  const first = bars.counts.findIndex((count) => count > 0);
  const last = bars.counts.findLastIndex((count) => count > 0);
  if (first < 0) return "";
  const x = (edge: number) => short(fractionOf(axis, bars.edges[edge]) * width);
  const y = (density: number) =>
    density > limit * (1 + 1e-9) ? top : short(base - (density / limit) * (base - limitAt));
  const steps = densities(bars)
    .slice(first, last + 1)
    .map((density, i) => `V${y(density)}H${x(first + i + 1)}`);
  return `M${x(first)} ${short(base)}${steps.join("")}V${short(base)}Z`;
}
