/** Everything that a person can choose. All of it lives in the page's address; what is left at its default does not. */

import { signal } from "@preact/signals";
import { colourMapNames, type ColourMapName } from "../drawing/colour_maps";
import { type ScaleKind, scaleKinds } from "../drawing/colour_scale";

export type ColourChoice = "automatic" | ColourMapName;
export type ScaleChoice = "automatic" | ScaleKind;

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
    step: wholeNumber(written.step ?? "") ?? null,
  };
}
