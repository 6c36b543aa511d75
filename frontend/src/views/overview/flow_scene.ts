/** The gradient-flow maps: what each shows, on axes and under colours that all share. */

import { computed, signal } from "@preact/signals";
import { colourMap, fadingMap } from "../../drawing/colour_maps";
import { flowPicture, type FlowPicture, lagAxis, type LagAxis, stepAxis, type StepAxis } from "../../drawing/flow_map";
import { type Colouring } from "../../drawing/heatmap";
import { type StepPoint } from "../../drawing/step_curve";
import { type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { health } from "../../state/health";
import { dark } from "../../state/host";
import { type Profiles, shownProfiles } from "../../state/profiles";

/** What may flow, that which is meant first. */
export const flowQuantities = ["bptt_gradient", "cell_state_gradient", "output_gradient", "input_gradient", "reach"];
export const throughTime = flowQuantities[0];
export const directPath = "output_gradient";

export interface Flow {
  key: string;
  run: ShownRun;
  direction: string;
  profiles: Profiles;
  picture: FlowPicture;
}

/** The room of one map in device pixels. */
export const mapPixels = signal({ width: 256, height: 256 });

const allProfiles = computed(() => shownProfiles.value.flatMap(({ profiles }) => profiles));

export const axes = computed<{ steps: StepAxis; lags: LagAxis }>(() => ({
  steps: stepAxis(
    allProfiles.value.map(({ steps }) => steps),
    mapPixels.value.width,
  ),
  lags: lagAxis(allProfiles.value, mapPixels.value.height),
}));

const made = new WeakMap<Profiles, { key: string; picture: FlowPicture }>();

function pictureOf(profiles: Profiles): FlowPicture {
  const { steps, lags } = axes.value;
  const key = JSON.stringify([steps, lags]);
  const before = made.get(profiles);
  if (before?.key === key) return before.picture;
  const picture = flowPicture(profiles, steps, lags);
  made.set(profiles, { key, picture });
  return picture;
}

export const flows = computed<Flow[]>(() =>
  shownProfiles.value.flatMap(({ run, profiles }) =>
    profiles.map((one) => ({
      key: JSON.stringify([run.run, one.direction]),
      run,
      direction: one.direction,
      profiles: one,
      picture: pictureOf(one),
    })),
  ),
);

export const directions = computed(() => Math.max(1, ...shownProfiles.value.map(({ profiles }) => profiles.length)));

export const mapName = computed(() => (dark.value ? "berlin" : "vik"));

/** One for all maps. */
export const colouring = computed<Colouring>(() => {
  const { colours, decades } = choices.value;
  const limit = allProfiles.value.reduce((most, { largest }) => Math.max(most, largest ?? 0), 0);
  const map = colours === "automatic" ? fadingMap(mapName.value) : colourMap(colours);
  return { scale: { kind: "log", decades, limit, low: 0, high: limit }, map };
});

/** The horizon of a flow along the steps: the largest lag at which the gradient is long. */
export function horizonOf({ run, direction }: Flow): StepPoint[] {
  const { layer } = run.layer;
  const own = health.value?.runs.find((one) => one.run === run.run)?.layers.find((one) => one.layer === layer);
  const found = own?.measures.find(
    (one) =>
      one.measure === "gradient_horizon" && one.quantity === run.quantity.quantity && one.direction === direction,
  );
  return found === undefined ? [] : found.steps.map((step, i) => ({ step, value: found.values[i] }));
}

/** The cell that is pointed at: every map marks it. */
export interface PointedCell {
  key: string;
  column: number;
  row: number;
}

export const pointedCell = signal<PointedCell | null>(null);

/** Whether something stands above a map: the maps beside it keep the same room free. */
export const isTitled = computed(
  () => directions.value > 1 || allProfiles.value.some((one) => nonFiniteSteps(one).length > 0),
);

/** The steps at which a norm is no finite number. */
export function nonFiniteSteps({ steps, points, norms, shape }: Profiles): number[] {
  return steps.filter((_, i) => {
    const row = norms.subarray(i * shape[1], i * shape[1] + points[i]);
    return row.some((norm) => !Number.isFinite(norm));
  });
}
