/**
 * Which panels of curves there are, which curves each holds, and under which axis.
 *
 * Runs stand side by side, never overlaid in one panel: channel 17 of one net has nothing to do with channel 17 of
 * another that was initialised otherwise, and eight runs times four samples in one panel are a tangle. What can be
 * compared between runs is how large the values are and where in time, and for that one shared axis serves better.
 */

import { computed } from "@preact/signals";
import { shades } from "../../drawing/line_colours";
import { type FiniteSummary } from "../../drawing/summary";
import { valueAxis, type ValueAxis } from "../../drawing/value_axis";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { columns } from "../../state/columns";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { panels, scaleKind, scaleOver } from "../../state/panels";
import { problem } from "../../state/problems";
import { samples } from "../../state/series";
import { channelText } from "../heatmap/wording";
import { findChannels } from "./channel_search";
import { curveTable } from "./curve_table";

/** One curve: a channel of one sample. */
export interface Line {
  array: LoadedArray;
  /** The column of the array: the channel, unless so many were pooled. */
  column: number;
  /** What tells it from the others of its panel: "sample 2", "channel 17 (forward)". */
  label: string;
  colour: string;
  opacity: number;
}

export interface CurvePanel {
  key: string;
  run: ShownRun;
  /** Its channel, or its sample. */
  item: number;
  title: string;
  lines: Line[];
  stale: boolean;
}

interface Loaded {
  array: LoadedArray;
  sample: number;
  stale: boolean;
}

const loaded = computed<ReadonlyMap<string, Loaded[]>>(() => {
  const byRun = new Map<string, Loaded[]>();
  for (const { run, array, stale } of panels.value) {
    if (typeof array?.sample !== "number") continue;
    const of = byRun.get(run.key) ?? [];
    of.push({ array, sample: array.sample, stale });
    byRun.set(run.key, of);
  }
  return byRun;
});

/** The channels that any of the runs has. */
export const channelCount = computed(() =>
  Math.max(0, ...[...loaded.value.values()].flat().map(({ array }) => array.shape[1])),
);

export const foundChannels = computed(() => findChannels(choices.value.channels, channelCount.value));

/** What the panels are of: channels, or samples. */
export const panelItems = computed<readonly number[]>(() =>
  choices.value.panels === "sample" ? samples.value : foundChannels.value.channels,
);

function channelName(run: ShownRun, array: LoadedArray, column: number): string {
  const first = column * array.column_block;
  const last = Math.min(array.full_shape[1], first + array.column_block) - 1;
  return channelText(run, [first, last], array.full_shape[1]);
}

function linesOf(run: ShownRun, item: number): Omit<Line, "colour" | "opacity">[] {
  const here = loaded.value.get(run.key) ?? [];
  if (choices.value.panels === "channel") {
    return here
      .filter(({ array }) => item < array.shape[1])
      .map(({ array, sample }) => ({ array, column: item, label: `sample ${sample}` }));
  }
  const array = here.find(({ sample }) => sample === item)?.array;
  if (array === undefined) return [];
  return foundChannels.value.channels
    .filter((channel) => channel < array.shape[1])
    .map((column) => ({ array, column, label: channelName(run, array, column) }));
}

/** Few lines are told apart by their shade; of many it is their density that is read. */
export const fewLines = 8;

function opacityAmong(count: number): number {
  return count <= fewLines ? 1 : count <= 32 ? 0.6 : 0.35;
}

function isSameLine(one: Line, other: Line | undefined): boolean {
  return one.array === other?.array && one.column === other.column && one.colour === other.colour;
}

/** Lines that have not changed stay the same object, so that they are not painted again. */
function unlessSame(lines: Line[], before: Line[] | undefined): Line[] {
  const isSame = before?.length === lines.length && lines.every((line, i) => isSameLine(line, before[i]));
  return isSame ? before : lines;
}

function makePanel(run: ShownRun, item: number, before: CurvePanel | undefined): CurvePanel {
  const found = linesOf(run, item);
  const colours = shades(runColour(run.position), dark.value, found.length);
  const opacity = opacityAmong(found.length);
  const lines = found.map((line, i) => ({ ...line, colour: colours[i], opacity }));
  const array = lines.at(0)?.array;
  const isSample = choices.value.panels === "sample";
  return {
    key: panelKey(run.key, item),
    run,
    item,
    title: isSample ? `sample ${item}` : array === undefined ? `channel ${item}` : channelName(run, array, item),
    lines: unlessSame(lines, before?.lines),
    stale: (loaded.value.get(run.key) ?? []).some((one) => one.stale && lines.some((line) => line.array === one.array)),
  };
}

export function panelKey(run: string, item: number): string {
  return JSON.stringify(["curves", run, item]);
}

interface Store {
  made: Map<string, CurvePanel>;
  /** Those of the store before. */
  before: ReadonlyMap<string, CurvePanel>;
}

let last: Store["made"] = new Map();

/** A new store whenever something has changed that panels are made of; they are made as they come into sight. */
const store = computed<Store>(() => {
  const madeOf = [loaded.value, foundChannels.value, choices.value.panels, dark.value];
  const next = { madeOf, made: new Map<string, CurvePanel>(), before: last };
  last = next.made;
  return next;
});

/** The panel of a run's channel or sample: the same object until something of it changes. */
export function curvePanel(run: ShownRun, item: number): CurvePanel {
  const { made, before } = store.value;
  const key = panelKey(run.key, item);
  const known = made.get(key);
  if (known?.run === run) return known;
  const panel = makePanel(run, item, before.get(key));
  made.set(key, panel);
  return panel;
}

/** Why a panel has no lines. */
export function absenceOf({ run, item, title }: CurvePanel): string {
  const own = panels.value.filter((panel) => panel.run.key === run.key);
  const of = choices.value.panels === "sample" ? own.filter((panel) => panel.item === `sample ${item}`) : own;
  if (of.some(({ array }) => array !== null)) return `no ${title}`;
  const waiting = problem.value === null ? "Loading\u2026" : "Not loaded";
  return of.find(({ missing }) => missing !== null)?.missing ?? waiting;
}

export function panelWithKey(key: string): CurvePanel | undefined {
  return store.value.made.get(key);
}

export function extentOfLine({ array, column }: Pick<Line, "array" | "column">): FiniteSummary {
  const { low, high } = curveTable(array);
  return Number.isNaN(low[column]) ? { low: null, high: null } : { low: low[column], high: high[column] };
}

/** Panels with the same key share an axis. */
function axisKey(run: string, item: number): string {
  const { axes } = choices.value;
  if (axes === "all") return "";
  return axes === "row" ? String(item) : axes === "column" ? run : panelKey(run, item);
}

export function axisOver(extents: readonly FiniteSummary[]): ValueAxis {
  const { decades, zero } = choices.value;
  return valueAxis(scaleOver(extents, scaleKind.value, decades), zero);
}

const axes = computed<ReadonlyMap<string, ValueAxis>>(() => {
  const extents = new Map<string, FiniteSummary[]>();
  for (const run of columns.value) {
    for (const item of panelItems.value) {
      const key = axisKey(run.key, item);
      const of = extents.get(key) ?? [];
      of.push(...linesOf(run, item).map(extentOfLine));
      extents.set(key, of);
    }
  }
  return new Map([...extents].map(([key, of]) => [key, axisOver(of)]));
});

export function axisOf({ run, item }: Pick<CurvePanel, "run" | "item">): ValueAxis {
  return axes.value.get(axisKey(run.key, item)) ?? axisOver([]);
}

/** How many of a panel's values are not finite. */
export function nonFiniteOf(lines: readonly Line[]): { nan: number; inf: number } {
  let [nan, inf] = [0, 0];
  for (const { array, column } of lines) {
    const table = curveTable(array);
    nan += table.nan[column];
    inf += table.inf[column];
  }
  return { nan, inf };
}
