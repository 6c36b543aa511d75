/** What there is to be shown, and what of it is chosen. */

import { computed, signal } from "@preact/signals";
import { fetchDataLocation, fetchIndex, type Index, type Layer, type Quantity, type Run } from "../api";
import { choices, choose, mostRuns } from "./choices";
import { needs } from "./needs";
import { reportProblem, resolveProblem } from "./problems";

export const index = signal<Index | null>(null);
export const dataLocation = signal<string | null>(null);

/** Counts up whenever the server was asked anew, whether or not anything changed. */
export const polls = signal(0);

let asking: Promise<void> | null = null;

async function ask(): Promise<void> {
  try {
    const answer = await fetchIndex();
    if (answer.revision !== index.value?.revision) index.value = answer;
    if (answer.runs.length === 0) dataLocation.value ??= await fetchDataLocation();
    resolveProblem("index");
    polls.value++;
  } catch (error) {
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

/** The chosen layer as each of the selected runs has it. */
export const chosenLayers = computed<Layer[]>(() =>
  selectedRuns.value.flatMap((run) => layerOf(run, layerName.value) ?? []),
);

export const quantities = computed<Quantity[]>(() => {
  const { kind } = needs.value;
  const all = chosenLayers.value.flatMap((layer) => layer.quantities);
  const order = mergedOrder(chosenLayers.value.map((layer) => layer.quantities.map(({ quantity }) => quantity)));
  const found = order.flatMap((name) => all.find(({ quantity }) => quantity === name) ?? []);
  return kind === null ? found : found.filter((candidate) => candidate.kind === kind);
});

export const quantity = computed<Quantity | null>(() => {
  const all = quantities.value;
  const named = (name: string | null) => all.find((candidate) => candidate.quantity === name);
  const first = all.find(({ kind }) => kind === "sequence") ?? all.at(0);
  return named(choices.value.quantity) ?? named("output_gradient") ?? first ?? null;
});

export interface ShownRun {
  run: string;
  position: number;
  layer: Layer;
  quantity: Quantity;
}

/** The selected runs that have what is chosen. */
export const shownRuns = computed<ShownRun[]>(() =>
  selectedRuns.value.flatMap((run) => {
    const layer = layerOf(run, layerName.value);
    const found = layer?.quantities.find((candidate) => candidate.quantity === quantity.value?.quantity);
    return layer === undefined || found === undefined
      ? []
      : [{ run: run.run, position: run.position, layer, quantity: found }];
  }),
);

/** Why a run has no panel though it is selected; "" when it has one. */
export function whatRunLacks(run: Run): string {
  if (layerName.value === null) return "";
  const layer = layerOf(run, layerName.value);
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
