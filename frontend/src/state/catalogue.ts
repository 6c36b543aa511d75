/** What there is to be shown, and what of it is chosen. */

import { computed, signal } from "@preact/signals";
import { fetchDataLocation, fetchIndex, type Index, type Layer, type Quantity, type Run } from "../api";
import { choices, choose, mostRuns } from "./choices";
import { needs } from "./needs";
import { attempts, reportProblem, resolveProblem } from "./problems";

export const index = signal<Index | null>(null);
export const dataLocation = signal<string | null>(null);

/** Counts up whenever the server was asked anew, whether or not anything changed. */
export const polls = signal(0);

let asking: Promise<void> | null = null;
let wasRefused = false;

async function ask(): Promise<void> {
  try {
    const answer = await fetchIndex();
    if (answer.revision !== index.value?.revision) index.value = answer;
    if (answer.runs.length === 0) dataLocation.value ??= await fetchDataLocation();
    resolveProblem("index");
    polls.value++;
    // What answers again may have been started anew.
    if (wasRefused) attempts.value++;
    wasRefused = false;
  } catch (error) {
    wasRefused = true;
    reportProblem("index", error);
  } finally {
    asking = null;
  }
}

export function refreshIndex(): Promise<void> {
  asking ??= ask();
  return asking;
}

export const runs = computed<Run[]>(() => index.value?.runs ?? []);

export const selectedRuns = computed<Run[]>(() => {
  const chosen = choices.value.runs;
  return chosen === null
    ? runs.value.slice(0, mostRuns)
    : runs.value.filter(({ run }) => chosen.includes(run)).slice(0, mostRuns);
});

/** Names in the order of the first list that has them; a name that comes later is put after its neighbour there. */
export function mergedOrder(lists: string[][]): string[] {
  const merged: string[] = [];
  for (const list of lists) {
    // A list with nothing in common goes to the end.
    let after = list.some((name) => merged.includes(name)) ? -1 : merged.length - 1;
    for (const name of list) {
      const at = merged.indexOf(name);
      if (at < 0) merged.splice(++after, 0, name);
      else after = at;
    }
  }
  return merged;
}

export const layerNames = computed(() =>
  mergedOrder(selectedRuns.value.map(({ layers }) => layers.map(({ layer }) => layer))),
);

export const layerName = computed<string | null>(() => {
  const { layer } = choices.value;
  return layer !== null && layerNames.value.includes(layer) ? layer : (layerNames.value.at(0) ?? null);
});

export function layerOf(run: Run, name: string | null): Layer | undefined {
  return run.layers.find(({ layer }) => layer === name);
}

/** The layer of a run that was paired by hand with the chosen one, which the run does not have. */
export function pairedLayer(run: Run): Layer | undefined {
  const pair = choices.value.pairs.find(([layer, name]) => layer === layerName.value && name === run.run);
  return pair === undefined ? undefined : layerOf(run, pair[2]);
}

/** What of a run stands for the chosen layer: the one of its name, or the one paired with it. */
function chosenLayerOf(run: Run): Layer | undefined {
  return layerOf(run, layerName.value) ?? pairedLayer(run);
}

/** The selected runs that have no layer of the chosen name. */
export const runsToPair = computed<Run[]>(() =>
  selectedRuns.value.filter((run) => layerOf(run, layerName.value) === undefined),
);

/** Pairs the chosen layer with one of a run's own; null takes the pair apart. */
export function pairLayer(run: string, own: string | null): void {
  const chosen = layerName.value;
  if (chosen === null) return;
  const others = choices.value.pairs.filter(([layer, name]) => layer !== chosen || name !== run);
  choose({ pairs: own === null ? others : [...others, [chosen, run, own]] });
}

/** The chosen layer as each of the selected runs has it. */
export const chosenLayers = computed<Layer[]>(() => selectedRuns.value.flatMap((run) => chosenLayerOf(run) ?? []));

export const quantities = computed<Quantity[]>(() => {
  const { kind, among } = needs.value;
  const all = chosenLayers.value.flatMap((layer) => layer.quantities);
  const order = among ?? mergedOrder(chosenLayers.value.map((layer) => layer.quantities.map((one) => one.quantity)));
  const found = order.flatMap((name) => all.find(({ quantity }) => quantity === name) ?? []);
  return kind === null ? found : found.filter((candidate) => candidate.kind === kind);
});

export const quantity = computed<Quantity | null>(() => {
  const all = quantities.value;
  const named = (name: string | null) => all.find((candidate) => candidate.quantity === name);
  const first = all.find(({ kind }) => kind === "sequence") ?? all.at(0);
  const usual = needs.value.among === undefined ? named("output_gradient") : undefined;
  return named(choices.value.quantity) ?? usual ?? first ?? null;
});

/** The step that is looked at, or an earlier one beside it. */
export type Moment = "now" | "earlier";

/** A run at one moment; where two are subtracted, both. */
export interface ShownRun {
  /** Unlike that of any other; of a run as it is now, its name. A run's name holds no double slash. */
  key: string;
  run: string;
  position: number;
  layer: Layer;
  quantity: Quantity;
  moment: Moment;
  /** What is taken away from it, if anything. */
  minus: ShownRun | null;
}

export function keyOfRun(run: string, moment: Moment): string {
  return moment === "now" ? run : `${run}//${moment}`;
}

/** The selected runs that have what is chosen: each once, or once for each of two moments. */
export const shownRuns = computed<ShownRun[]>(() => {
  const moments: Moment[] = choices.value.earlier === null ? ["now"] : ["earlier", "now"];
  return selectedRuns.value.flatMap((run) => {
    const layer = chosenLayerOf(run);
    const found = layer?.quantities.find((candidate) => candidate.quantity === quantity.value?.quantity);
    if (layer === undefined || found === undefined) return [];
    const common = { run: run.run, position: run.position, layer, quantity: found, minus: null };
    return moments.map((moment) => ({ ...common, key: keyOfRun(run.run, moment), moment }));
  });
});

/** Why a run has no panel though it is selected; "" when it has one. */
export function whatRunLacks(run: Run): string {
  if (layerName.value === null) return "";
  const layer = chosenLayerOf(run);
  if (layer === undefined) return `no layer ${layerName.value}`;
  const wanted = quantity.value?.quantity;
  return layer.quantities.some((candidate) => candidate.quantity === wanted) ? "" : "not this quantity";
}

export const isBidirectional = computed(() => chosenLayers.value.some(({ directions }) => directions.length > 1));

export const tooManyRuns = signal(false);

export function toggleRun(run: string): void {
  const selected = selectedRuns.value.map((candidate) => candidate.run);
  const without = selected.filter((name) => name !== run);
  const adding = without.length === selected.length;
  tooManyRuns.value = adding && selected.length >= mostRuns;
  if (!tooManyRuns.value) choose({ runs: adding ? [...selected, run] : without });
}
