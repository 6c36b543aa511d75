/** Everything that a person can choose. All of it lives in the page's address; what is left at its default does not. */

import { signal } from "@preact/signals";
import { colourMapNames, type ColourMapName } from "../drawing/colour_maps";
import { type ScaleKind, scaleKinds } from "../drawing/colour_scale";
import { type ChannelMeasure, channelMeasures } from "../api";
import { type ProfileStatistic, profileStatistics } from "../api_health";
import { type Sight } from "../drawing/picture";

export type ColourChoice = "automatic" | ColourMapName;
export type ScaleChoice = "automatic" | ScaleKind;

/** Where the colours end: at the largest value of all panels, of a run's, of each; at 0 and 1 of each; as typed. */
export const limitKinds = ["shared", "run", "panel", "unit", "typed"] as const;
export type LimitKind = (typeof limitKinds)[number];
/** What runs to the right in a heatmap. */
export const acrossKinds = ["timesteps", "channels"] as const;
export type AcrossKind = (typeof acrossKinds)[number];
/** In which order channels stand. */
export const sortKinds = ["number", ...channelMeasures] as const;
export type SortKind = "number" | ChannelMeasure;

/** What a panel of curves is of. */
export const panelKinds = ["channel", "sample"] as const;
export type PanelKind = (typeof panelKinds)[number];
/** Which panels of curves share a y axis: a row is what the runs have of one channel, a column is a run. */
export const sharedAxes = ["all", "row", "column", "none"] as const;
export type SharedAxes = (typeof sharedAxes)[number];
/** What the colours of dots tell apart. */
export const dotColours = ["run", "channel"] as const;
export type DotColours = (typeof dotColours)[number];

/** What a histogram's panel shows: one step of all runs, or all steps of one run, as lines or as a map. */
export const histogramKinds = ["step", "ridges", "map"] as const;
export type HistogramKind = (typeof histogramKinds)[number];
/** Among which panels of histograms the axes are equal. */
export const equalAxes = ["runs", "directions", "direction", "none"] as const;
export type EqualAxes = (typeof equalAxes)[number];

/** What of each matrix is drawn over the steps: a norm of each gate or of its channels, or by what share it moved. */
export const normKinds = ["l2", "l1", "channels", "update_ratio"] as const;
export type NormKind = (typeof normKinds)[number];

/** How much of a long list is shown. */
export const extents = ["first", "all"] as const;
export type Extent = (typeof extents)[number];

/** What is taken away from what is shown: the earlier step, or a run. */
export type Subtrahend = "earlier" | { readonly run: string };
/** A layer, a run that has none of its name, and the layer of that run that stands for it. */
export type Pair = readonly [layer: string, run: string, own: string];

export interface Choices {
  view: string;
  /** null for runs, layer, quantity and samples: what the data suggests. */
  runs: string[] | null;
  layer: string | null;
  pairs: readonly Pair[];
  quantity: string | null;
  samples: number[] | null;
  scale: ScaleChoice;
  decades: number;
  limits: LimitKind;
  /** The limits as they were typed: "0.5", "-1 to 2". */
  typed: string;
  /** Whether the dots of all runs have one axis. */
  shared: boolean;
  colours: ColourChoice;
  reflect: boolean;
  across: AcrossKind;
  sort: SortKind;
  /** Whether mean magnitudes are drawn beside a heatmap, norms above a matrix. */
  marginals: boolean;
  /** What of the heatmaps of sequences is in sight; null: everything. */
  region: Sight | null;
  /** What is in sight of those matrices that were zoomed into, by their names: "forward/kernel". */
  regions: Readonly<Partial<Record<string, Sight>>>;
  panels: PanelKind;
  axes: SharedAxes;
  /** Whether zero is drawn and kept in sight. */
  zero: boolean;
  /** As it was typed: "0-15, 40"; "" is all. */
  channels: string;
  /** The panel that is shown large: its run, and its channel or sample. */
  open: readonly [run: string, item: number] | null;
  /** Of the large panel: the first and last timestep in sight. */
  zoom: readonly [first: number, last: number] | null;
  dots: DotColours;
  over: HistogramKind;
  equal: EqualAxes;
  /** How many bins a histogram has; null: those of the light summaries. */
  bins: number | null;
  /** Whether the tallest bars of histograms are cut off. */
  clip: boolean;
  /** Whether values are coloured without their signs. */
  absolute: boolean;
  norm: NormKind;
  /** How much of the findings, and of the table of health, is shown. */
  findings: Extent;
  rows: Extent;
  /** Of which findings the details are open at first. */
  details: Extent;
  /** The row of that table all of whose measures are shown. */
  row: readonly [run: string, layer: string] | null;
  /** Of the gradient-flow map: what is taken over the samples. */
  statistic: ProfileStatistic;
  /** Those of the thresholds that are not at their default, by their names. */
  thresholds: Readonly<Partial<Record<string, number>>>;
  /** The step that stands beside the one that is looked at; null for none. */
  earlier: number | "first" | null;
  minus: Subtrahend | null;
  /** null follows the latest step. */
  step: number | null;
}

export const defaultChoices: Choices = {
  view: "overview",
  runs: null,
  layer: null,
  pairs: [],
  quantity: null,
  samples: null,
  scale: "automatic",
  decades: 6,
  limits: "shared",
  typed: "",
  shared: true,
  colours: "automatic",
  reflect: false,
  across: "timesteps",
  sort: "number",
  marginals: true,
  region: null,
  regions: {},
  panels: "channel",
  axes: "all",
  zero: true,
  channels: "",
  open: null,
  zoom: null,
  dots: "channel",
  over: "step",
  equal: "runs",
  bins: null,
  clip: true,
  absolute: false,
  norm: "l2",
  findings: "first",
  rows: "first",
  details: "first",
  row: null,
  statistic: "mean",
  thresholds: {},
  earlier: null,
  minus: null,
  step: null,
};

export const mostRuns = 8;
export const decadesRange = { least: 2, most: 8 };
export const binsRange = { least: 10, most: 512 };

export const choices = signal<Choices>(defaultChoices);

let listener: (changes: Partial<Choices>) => void = () => undefined;

/** Hears of what is chosen here, not of what an address brings. */
export function onChoose(listen: typeof listener): () => void {
  listener = listen;
  return () => {
    listener = () => undefined;
  };
}

export function choose(changes: Partial<Choices>): void {
  choices.value = { ...choices.value, ...changes };
  listener(changes);
}

function oneOf<T extends string>(allowed: readonly T[], text: string): T | undefined {
  return allowed.find((value) => value === text);
}

function wholeNumber(text: string): number | undefined {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Names may hold any character: each is escaped, so that the commas between them are not theirs. */
const listOf = {
  write: (names: readonly string[]) => names.map(encodeURIComponent).join(","),
  read: (text: string) => (text === "" ? [] : text.split(",").map(decodeURIComponent)),
};

const runPrefix = "run:";

function writeSubtrahend(minus: Subtrahend | null): string {
  return minus === null ? "" : minus === "earlier" ? minus : runPrefix + minus.run;
}

/** "horizon_share:0.05,short_horizon:0.2". */
function writeThresholds(thresholds: Choices["thresholds"]): string {
  return Object.entries(thresholds)
    .map(([name, value]) => `${name}:${value}`)
    .join(",");
}

function endsOf({ rows, columns }: Sight): number[] {
  return [...rows, ...columns];
}

/** "forward%2Fkernel,0,4,8,15,backward%2Fbias,0,0,8,15". */
function writeRegions(regions: Choices["regions"]): string {
  return listOf.write(
    Object.entries(regions).flatMap(([matrix, sight]) =>
      sight === undefined ? [] : [matrix, ...endsOf(sight).map(String)],
    ),
  );
}

type Written = Record<keyof Choices, string>;

/** Every choice as text; "" for a default. */
export function writeChoices(value: Choices): Written {
  const differing = (name: keyof Choices, text: string) => (value[name] === defaultChoices[name] ? "" : text);
  return {
    view: differing("view", value.view),
    // An empty list is a choice too: "," keeps it from looking like the default.
    runs: value.runs === null ? "" : listOf.write(value.runs) || ",",
    layer: value.layer ?? "",
    pairs: listOf.write(value.pairs.flat()),
    quantity: value.quantity ?? "",
    samples: value.samples === null ? "" : value.samples.join(",") || ",",
    scale: differing("scale", value.scale),
    decades: differing("decades", String(value.decades)),
    limits: differing("limits", value.limits),
    typed: value.typed,
    shared: differing("shared", "off"),
    colours: differing("colours", value.colours),
    reflect: differing("reflect", "on"),
    across: differing("across", value.across),
    sort: differing("sort", value.sort),
    marginals: differing("marginals", "off"),
    region: value.region === null ? "" : endsOf(value.region).join(","),
    regions: writeRegions(value.regions),
    panels: differing("panels", value.panels),
    axes: differing("axes", value.axes),
    zero: differing("zero", "off"),
    channels: value.channels,
    open: value.open === null ? "" : listOf.write(value.open.map(String)),
    zoom: value.zoom === null ? "" : value.zoom.join(","),
    dots: differing("dots", value.dots),
    over: differing("over", value.over),
    equal: differing("equal", value.equal),
    bins: value.bins === null ? "" : String(value.bins),
    clip: differing("clip", "off"),
    absolute: differing("absolute", "on"),
    norm: differing("norm", value.norm),
    earlier: value.earlier === null ? "" : String(value.earlier),
    findings: differing("findings", value.findings),
    rows: differing("rows", value.rows),
    details: differing("details", value.details),
    row: value.row === null ? "" : listOf.write(value.row),
    statistic: differing("statistic", value.statistic),
    thresholds: writeThresholds(value.thresholds),
    minus: writeSubtrahend(value.minus),
    step: value.step === null ? "" : String(value.step),
  };
}

function readList(text: string | undefined): string[] | null {
  if (text === undefined || text === "") return null;
  try {
    return listOf.read(text).filter((name) => name !== "");
  } catch {
    return null;
  }
}

function readSamples(text: string | undefined): number[] | null {
  const samples = readList(text)?.map(wholeNumber);
  if (samples === undefined) return null;
  return samples.filter((sample) => sample !== undefined && sample >= 0) as number[];
}

function readOpen(text: string | undefined): Choices["open"] {
  const [run, item = ""] = readList(text) ?? [];
  const number = wholeNumber(item);
  return number === undefined || number < 0 ? null : [run, number];
}

function readRow(text: string | undefined): Choices["row"] {
  const found = readList(text) ?? [];
  return found.length === 2 ? [found[0], found[1]] : null;
}

function readZoom(text: string | undefined): Choices["zoom"] {
  const [first, last] = (readList(text) ?? []).map(wholeNumber);
  return first === undefined || last === undefined || first < 0 || last <= first ? null : [first, last];
}

/** First and last row, first and last column. */
function readSight(texts: readonly string[]): Sight | null {
  const numbers = texts.map(wholeNumber);
  if (numbers.length !== 4 || numbers.some((number) => number === undefined || number < 0)) return null;
  const [top, bottom, left, right] = numbers as number[];
  return top > bottom || left > right ? null : { rows: [top, bottom], columns: [left, right] };
}

function readRegions(text: string | undefined): Choices["regions"] {
  const found = readList(text) ?? [];
  const lengthOfOne = 5;
  const regions = Array.from({ length: Math.floor(found.length / lengthOfOne) }, (_, i) => {
    const [matrix, ...ends] = found.slice(lengthOfOne * i, lengthOfOne * (i + 1));
    return [matrix, readSight(ends)] as const;
  });
  return Object.fromEntries(regions.flatMap(([matrix, sight]) => (sight === null ? [] : [[matrix, sight]])));
}

function readBins(text: string | undefined): Choices["bins"] {
  const bins = wholeNumber(text ?? "");
  return bins === undefined || bins < binsRange.least || bins > binsRange.most ? null : bins;
}

function readPairs(text: string | undefined): Pair[] {
  const names = readList(text) ?? [];
  return Array.from({ length: Math.floor(names.length / 3) }, (_, i): Pair => {
    const [layer, run, own] = names.slice(3 * i);
    return [layer, run, own];
  });
}

function readSubtrahend(text: string | undefined): Subtrahend | null {
  if (text === "earlier") return text;
  return text?.startsWith(runPrefix) === true ? { run: text.slice(runPrefix.length) } : null;
}

function readThresholds(text: string | undefined): Choices["thresholds"] {
  const pairs = (readList(text) ?? []).map((pair) => /^([a-z_]+):(.+)$/.exec(pair));
  const numbers = pairs.flatMap((found) => (found === null ? [] : [[found[1], Number(found[2])] as const]));
  return Object.fromEntries(numbers.filter(([, value]) => Number.isFinite(value) && value > 0));
}

/** The choices that an address holds. What makes no sense there falls back to its default. */
export function readChoices(written: Partial<Record<string, string>>): Choices {
  const decades = wholeNumber(written.decades ?? "");
  const inRange = decades !== undefined && decades >= decadesRange.least && decades <= decadesRange.most;
  return {
    view: written.view ?? defaultChoices.view,
    runs: readList(written.runs),
    layer: written.layer ?? null,
    pairs: readPairs(written.pairs),
    quantity: written.quantity ?? null,
    samples: readSamples(written.samples),
    scale: oneOf<ScaleChoice>(["automatic", ...scaleKinds], written.scale ?? "") ?? defaultChoices.scale,
    decades: inRange ? decades : defaultChoices.decades,
    limits: oneOf(limitKinds, written.limits ?? "") ?? defaultChoices.limits,
    typed: written.typed ?? defaultChoices.typed,
    shared: written.shared !== "off",
    colours: oneOf<ColourChoice>(["automatic", ...colourMapNames], written.colours ?? "") ?? defaultChoices.colours,
    reflect: written.reflect === "on",
    across: oneOf(acrossKinds, written.across ?? "") ?? defaultChoices.across,
    sort: oneOf(sortKinds, written.sort ?? "") ?? defaultChoices.sort,
    marginals: written.marginals !== "off",
    region: readSight(readList(written.region) ?? []),
    regions: readRegions(written.regions),
    panels: oneOf(panelKinds, written.panels ?? "") ?? defaultChoices.panels,
    axes: oneOf(sharedAxes, written.axes ?? "") ?? defaultChoices.axes,
    zero: written.zero !== "off",
    channels: written.channels ?? defaultChoices.channels,
    open: readOpen(written.open),
    zoom: readZoom(written.zoom),
    dots: oneOf(dotColours, written.dots ?? "") ?? defaultChoices.dots,
    over: oneOf(histogramKinds, written.over ?? "") ?? defaultChoices.over,
    equal: oneOf(equalAxes, written.equal ?? "") ?? defaultChoices.equal,
    bins: readBins(written.bins),
    clip: written.clip !== "off",
    absolute: written.absolute === "on",
    norm: oneOf(normKinds, written.norm ?? "") ?? defaultChoices.norm,
    findings: oneOf(extents, written.findings ?? "") ?? defaultChoices.findings,
    rows: oneOf(extents, written.rows ?? "") ?? defaultChoices.rows,
    details: oneOf(extents, written.details ?? "") ?? defaultChoices.details,
    row: readRow(written.row),
    statistic: oneOf(profileStatistics, written.statistic ?? "") ?? defaultChoices.statistic,
    thresholds: readThresholds(written.thresholds),
    earlier: written.earlier === "first" ? "first" : (wholeNumber(written.earlier ?? "") ?? null),
    minus: readSubtrahend(written.minus),
    step: wholeNumber(written.step ?? "") ?? null,
  };
}
