/** Everything that a person can choose. All of it lives in the page's address; what is left at its default does not. */

import { signal } from "@preact/signals";
import { colourMapNames, type ColourMapName } from "../drawing/colour_maps";
import { type ScaleKind, scaleKinds } from "../drawing/colour_scale";

export type ColourChoice = "automatic" | ColourMapName;
export type ScaleChoice = "automatic" | ScaleKind;

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

export const normKinds = ["l2", "l1"] as const;
export type NormKind = (typeof normKinds)[number];

export interface Choices {
  view: string;
  /** null for runs, layer, quantity and samples: what the data suggests. */
  runs: string[] | null;
  layer: string | null;
  quantity: string | null;
  samples: number[] | null;
  scale: ScaleChoice;
  decades: number;
  shared: boolean;
  colours: ColourChoice;
  reflect: boolean;
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
  /** Whether the tallest bars of histograms are cut off. */
  clip: boolean;
  /** Whether values are coloured without their signs. */
  absolute: boolean;
  norm: NormKind;
  /** The step that the distribution is held against; null: the first that was kept. */
  earlier: number | null;
  /** null follows the latest step. */
  step: number | null;
}

export const defaultChoices: Choices = {
  view: "heatmap",
  runs: null,
  layer: null,
  quantity: null,
  samples: null,
  scale: "automatic",
  decades: 6,
  shared: true,
  colours: "automatic",
  reflect: false,
  panels: "channel",
  axes: "all",
  zero: true,
  channels: "",
  open: null,
  zoom: null,
  dots: "channel",
  over: "step",
  equal: "runs",
  clip: true,
  absolute: false,
  norm: "l2",
  earlier: null,
  step: null,
};

export const mostRuns = 8;
export const decadesRange = { least: 2, most: 8 };

export const choices = signal<Choices>(defaultChoices);

export function choose(changes: Partial<Choices>): void {
  choices.value = { ...choices.value, ...changes };
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

type Written = Record<keyof Choices, string>;

/** Every choice as text; "" for a default. */
export function writeChoices(value: Choices): Written {
  const differing = (name: keyof Choices, text: string) => (value[name] === defaultChoices[name] ? "" : text);
  return {
    view: differing("view", value.view),
    // An empty list is a choice too: "," keeps it from looking like the default.
    runs: value.runs === null ? "" : listOf.write(value.runs) || ",",
    layer: value.layer ?? "",
    quantity: value.quantity ?? "",
    samples: value.samples === null ? "" : value.samples.join(",") || ",",
    scale: differing("scale", value.scale),
    decades: differing("decades", String(value.decades)),
    shared: differing("shared", "off"),
    colours: differing("colours", value.colours),
    reflect: differing("reflect", "on"),
    panels: differing("panels", value.panels),
    axes: differing("axes", value.axes),
    zero: differing("zero", "off"),
    channels: value.channels,
    open: value.open === null ? "" : listOf.write(value.open.map(String)),
    zoom: value.zoom === null ? "" : value.zoom.join(","),
    dots: differing("dots", value.dots),
    over: differing("over", value.over),
    equal: differing("equal", value.equal),
    clip: differing("clip", "off"),
    absolute: differing("absolute", "on"),
    norm: differing("norm", value.norm),
    earlier: value.earlier === null ? "" : String(value.earlier),
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

function readZoom(text: string | undefined): Choices["zoom"] {
  const [first, last] = (readList(text) ?? []).map(wholeNumber);
  return first === undefined || last === undefined || first < 0 || last <= first ? null : [first, last];
}

/** The choices that an address holds. What makes no sense there falls back to its default. */
export function readChoices(written: Partial<Record<string, string>>): Choices {
  const decades = wholeNumber(written.decades ?? "");
  const inRange = decades !== undefined && decades >= decadesRange.least && decades <= decadesRange.most;
  return {
    view: written.view ?? defaultChoices.view,
    runs: readList(written.runs),
    layer: written.layer ?? null,
    quantity: written.quantity ?? null,
    samples: readSamples(written.samples),
    scale: oneOf<ScaleChoice>(["automatic", ...scaleKinds], written.scale ?? "") ?? defaultChoices.scale,
    decades: inRange ? decades : defaultChoices.decades,
    shared: written.shared !== "off",
    colours: oneOf<ColourChoice>(["automatic", ...colourMapNames], written.colours ?? "") ?? defaultChoices.colours,
    reflect: written.reflect === "on",
    panels: oneOf(panelKinds, written.panels ?? "") ?? defaultChoices.panels,
    axes: oneOf(sharedAxes, written.axes ?? "") ?? defaultChoices.axes,
    zero: written.zero !== "off",
    channels: written.channels ?? defaultChoices.channels,
    open: readOpen(written.open),
    zoom: readZoom(written.zoom),
    dots: oneOf(dotColours, written.dots ?? "") ?? defaultChoices.dots,
    over: oneOf(histogramKinds, written.over ?? "") ?? defaultChoices.over,
    equal: oneOf(equalAxes, written.equal ?? "") ?? defaultChoices.equal,
    clip: written.clip !== "off",
    absolute: written.absolute === "on",
    norm: oneOf(normKinds, written.norm ?? "") ?? defaultChoices.norm,
    earlier: wholeNumber(written.earlier ?? "") ?? null,
    step: wholeNumber(written.step ?? "") ?? null,
  };
}
