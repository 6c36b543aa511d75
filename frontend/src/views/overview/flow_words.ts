/** What a gradient-flow map and a cell of it are called. */

import { type Range } from "../../drawing/cell_array";
import { timestepsOfRow } from "../../drawing/flow_map";
import { numberText, rangeText, several } from "../../drawing/number_text";
import { quantityPhrase } from "../../state/names";
import { axes, type Flow, nonFiniteSteps } from "./flow_scene";

export const statisticTexts = {
  mean: "mean",
  "0.1": "10% quantile",
  "0.5": "median",
  "0.9": "90% quantile",
} as const;

/** "NaN or Inf at 3 of 70 steps, first at step 120"; "" where there are none. */
export function badgeText({ profiles }: Pick<Flow, "profiles">): string {
  const found = nonFiniteSteps(profiles);
  if (found.length === 0) return "";
  return `NaN or Inf at ${found.length} of ${profiles.steps.length} steps, first at step ${found[0]}`;
}

/** "lstm, encoder BPTT gradient, forward: norm at 60 timesteps and 70 steps from 0 to 690, from 2e-12 to 3e-2". */
export function flowLabel(flow: Flow): string {
  const { run, profiles, direction } = flow;
  const { steps, timesteps, least, largest } = profiles;
  const subject = `${run.run}, ${run.layer.layer} ${quantityPhrase(run.quantity.quantity)}, ${direction}`;
  const most = timesteps.reduce((a, b) => Math.max(a, b), 0);
  const reach = `norm at ${several(most, "timestep")} and ${several(steps.length, "step")}`;
  const ends = steps.length === 0 ? "" : ` from ${steps[0]} to ${steps[steps.length - 1]}`;
  const values =
    least === null || largest === null
      ? "nothing above 0"
      : `from ${numberText(least, 2)} to ${numberText(largest, 2)}`;
  return [`${subject}: ${reach}${ends}`, values, badgeText(flow)].filter((part) => part !== "").join(", ");
}

export interface FlowReading {
  steps: string;
  timesteps: string;
  lags: string;
  value: string;
}

function stepsText(steps: readonly number[], [first, last]: Range): string {
  return first === last ? `step ${steps[first]}` : `largest of steps ${steps[first]}\u2013${steps[last]}`;
}

function lagsText([near, far]: Range): string {
  return near === far && near === 1 ? "1 step back" : `${rangeText([near, far])} steps back`;
}

/** A cell in words; null where a map has no such cell. */
export function readFlow({ profiles, picture }: Flow, column: number, row: number): FlowReading | null {
  const range = picture.steps.at(column) ?? null;
  const at = range?.[1];
  if (range === null || at === undefined || row >= picture.filled[column]) return null;
  const { lags } = axes.value;
  const timesteps = timestepsOfRow(row, lags, profiles.timesteps[at], profiles.direction);
  if (timesteps === null) return null;
  const block = profiles.blocks[at];
  // A point of a thinned profile stands for all timesteps of its block.
  const most = profiles.timesteps[at] - 1;
  const [first, last] = [
    Math.floor(timesteps[0] / block) * block,
    Math.min(most, (Math.floor(timesteps[1] / block) + 1) * block - 1),
  ];
  const back: Range = profiles.direction === "backward" ? [first, last] : [most - last, most - first];
  return {
    steps: stepsText(profiles.steps, range),
    timesteps: `t = ${rangeText([first, last])}`,
    lags: lagsText(back),
    value: numberText(picture.cells[row * picture.width + column]),
  };
}
