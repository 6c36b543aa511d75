/**
 * How a person likes things drawn: remembered by the browser, for addresses that leave it open.
 *
 * The tab's own addresses leave nothing open. They say so, by `rest=default`: a link, the browser's Back and a reload then
 * bring back the same screen, whatever was chosen since, and whatever the browser of whoever opens it remembers.
 */

import { computed } from "@preact/signals";
import { choices, type Choices, choose, defaultChoices, readChoices, writeChoices } from "./choices";

const place = "tb_rnn_plugin.drawing";

/** Of how things are drawn, not of what is looked at. Typed limits and bins suit some data only. */
export const rememberedNames = [
  "scale",
  "decades",
  "limits",
  "shared",
  "colours",
  "reflect",
  "across",
  "sort",
  "marginals",
  "panels",
  "axes",
  "zero",
  "dots",
  "over",
  "equal",
  "clip",
  "absolute",
  "norm",
  "statistic",
] as const satisfies readonly (keyof Choices)[];

type Texts = Partial<Record<string, string>>;

/** As an address has them. What makes no sense, or is no longer known, counts for nothing. */
function remembered(): Texts {
  try {
    const found: unknown = JSON.parse(window.localStorage.getItem(place) ?? "{}");
    if (typeof found !== "object" || found === null) return {};
    const texts = new Map(Object.entries(found).filter(([, text]) => typeof text === "string"));
    return Object.fromEntries(rememberedNames.flatMap((name) => (texts.has(name) ? [[name, texts.get(name)]] : [])));
  } catch {
    return {};
  }
}

function keep(texts: Texts): void {
  try {
    if (Object.keys(texts).length === 0) window.localStorage.removeItem(place);
    else window.localStorage.setItem(place, JSON.stringify(texts));
  } catch {
    // Addresses that leave it open give the defaults, as at the first visit.
  }
}

/** Remembers those of a person's choices that are of this kind. */
export function rememberChoices(changes: Partial<Choices>): void {
  const chosen = rememberedNames.filter(
    // Without the limits that were typed their kind means nothing.
    (name) => changes[name] !== undefined && !(name === "limits" && changes.limits === "typed"),
  );
  if (chosen.length === 0) return;
  const written = writeChoices({ ...defaultChoices, ...changes });
  const all: Texts = { ...remembered(), ...Object.fromEntries(chosen.map((name) => [name, written[name]])) };
  // What is at its default again is not different from what was never chosen.
  keep(Object.fromEntries(Object.entries(all).filter(([, text]) => text !== "")));
}

const restAtDefault = { rest: "default" };

/** What the tab's address says: everything, if only by what it leaves out. */
export function writeAddressed(value: Choices): Record<string, string> {
  return { ...writeChoices(value), ...restAtDefault };
}

/** The choices that an address stands for in this browser. */
export function readAddressed(written: Texts): Choices {
  return readChoices(written.rest === restAtDefault.rest ? written : { ...remembered(), ...written });
}

export const isDrawnAsAtFirst = computed(() =>
  rememberedNames.every((name) => choices.value[name] === defaultChoices[name]),
);

/** Goes back to the defaults, and remembers nothing. */
export function drawAsAtFirst(): void {
  choose(Object.fromEntries(rememberedNames.map((name) => [name, defaultChoices[name]])));
}
