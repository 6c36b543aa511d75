/** How values become colours: on which scale, between which limits, on which map. */

import { computed } from "@preact/signals";
import { colourMap, type ColourMap, type ColourMapName } from "../drawing/colour_maps";
import { type Scale } from "../drawing/colour_scale";
import { type LoadedArray } from "./arrays";
import { choices, type ColourChoice } from "./choices";
import { dark } from "./host";
import { type Panel, panels, scaleKind, scaleOver } from "./panels";
import { readLimits } from "./typed_limits";

export const typedLimits = computed(() => readLimits(choices.value.typed));

/** The map for a choice: automatic follows the theme, and takes the sequential map where there are no signs. */
function mapFor(colours: ColourChoice, unsigned: boolean, isDark: boolean): ColourMapName {
  if (colours !== "automatic") return colours;
  if (unsigned) return "cividis";
  return isDark ? "berlin" : "vik";
}

/** Whether each panel's values are drawn from 0 for its smallest to 1 for its largest. */
export const areNormalised = computed(() => choices.value.limits === "unit");

export const map = computed<ColourMap>(() => {
  const { colours, absolute } = choices.value;
  const unsigned = absolute || areNormalised.value || scaleKind.value === "log";
  return colourMap(mapFor(colours, unsigned, dark.value));
});

/** A scale between the limits that were typed, if any make sense. */
function typed(scale: Scale): Scale {
  const { limits } = typedLimits.value;
  if (choices.value.limits !== "typed" || limits === null) return scale;
  const { low, high, isRange } = limits;
  return { ...scale, limit: Math.max(Math.abs(low), Math.abs(high)), low, high, range: isRange };
}

function withoutSigns(scale: Scale): Scale {
  const low = scale.range === true ? Math.max(0, scale.low) : 0;
  return { ...scale, low, high: scale.range === true ? Math.max(low, scale.high) : scale.limit, absolute: true };
}

/** The scale of all the given arrays together, as it was chosen. */
function chosenScale(arrays: readonly LoadedArray[]): Scale {
  const { decades, absolute } = choices.value;
  const kind = areNormalised.value ? "linear" : scaleKind.value;
  const scale = typed(scaleOver(arrays, kind, decades));
  const placed = absolute ? withoutSigns(scale) : scale;
  return areNormalised.value ? { ...placed, range: true } : placed;
}

/** What the one colour bar of all panels is of. */
export const sharedScale = computed<Scale>(() => {
  const scale = chosenScale(panels.value.flatMap(({ array }) => array ?? []));
  return areNormalised.value ? { ...scale, low: 0, high: 1, limit: 1 } : scale;
});

/** The scale of each run's panels together. */
const scalesOfRuns = computed<ReadonlyMap<string, Scale>>(() => {
  const arrays = new Map<string, LoadedArray[]>();
  for (const { run, array } of panels.value) {
    if (array !== null) arrays.set(run.key, [...(arrays.get(run.key) ?? []), array]);
  }
  return new Map([...arrays].map(([run, of]) => [run, chosenScale(of)]));
});

/** Whether one colour bar serves all panels. */
export const isOneBar = computed(() => choices.value.limits !== "run" && choices.value.limits !== "panel");

export function scaleOf({ run }: Panel, array: LoadedArray): Scale {
  const { limits } = choices.value;
  if (limits === "panel" || limits === "unit") return chosenScale([array]);
  return limits === "run" ? (scalesOfRuns.value.get(run.key) ?? chosenScale([array])) : sharedScale.value;
}
