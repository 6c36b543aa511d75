/** How long units' gates keep against how long their gradients last: what each plot shows, on axes that all share. */

import { computed, signal } from "@preact/signals";
import { alongLog, logSquare, type LogSquare, type SquarePlace } from "../../drawing/log_square";
import { numberText } from "../../drawing/number_text";
import { health } from "../../state/health";
import { type ComparedLayer, type Timescales, timescales } from "../../state/timescales";
import { type Lines } from "../../take_away/table";

export interface UnitDot {
  unit: number;
  /** Both in timesteps. */
  gate: number;
  gradient: number;
  fit: number;
}

export interface TimescalePlot {
  key: string;
  of: ComparedLayer;
  values: Timescales;
  /** Whether the layer has another direction. */
  isOneOfTwo: boolean;
  dots: UnitDot[];
  /** How many units have no gradient that decays exponentially, and how many of the others a gate that never lets go. */
  notExponential: number;
  endless: number;
}

/** The R² from which on a decay is called exponential, as for half-lives. */
export const leastFit = computed(
  () => health.value?.thresholds.find(({ name }) => name === "half_life_fit")?.value ?? 0.8,
);

function plotOf(of: ComparedLayer, values: Timescales, isOneOfTwo: boolean): TimescalePlot {
  const all = values.gate_timescales.map((gate, unit) => ({
    unit,
    gate,
    gradient: values.gradient_timescales[unit],
    fit: values.fits[unit],
  }));
  const exponential = all.flatMap(({ unit, gate, gradient, fit }) =>
    gradient === null || fit === null || fit < leastFit.value ? [] : [{ unit, gate, gradient, fit }],
  );
  const dots = exponential.flatMap(({ gate, ...rest }) => (gate === null ? [] : [{ gate, ...rest }]));
  return {
    key: JSON.stringify([of.run, of.layer, values.direction]),
    of,
    values,
    isOneOfTwo,
    dots,
    notExponential: all.length - exponential.length,
    endless: exponential.length - dots.length,
  };
}

export const plots = computed<TimescalePlot[]>(() =>
  timescales.value.flatMap(({ of, directions }) =>
    directions.map((values) => plotOf(of, values, directions.length > 1)),
  ),
);

export const square = computed<LogSquare | null>(() =>
  logSquare(plots.value.flatMap(({ dots }) => dots.flatMap(({ gate, gradient }) => [gate, gradient]))),
);

/** From the upper left corner. */
export function placeOf({ gate, gradient }: Pick<UnitDot, "gate" | "gradient">, of: LogSquare): SquarePlace {
  return { x: alongLog(of, gate), y: 1 - alongLog(of, gradient) };
}

/** The unit that is pointed at. */
export const pointedUnit = signal<{ key: string; unit: number } | null>(null);

function have(count: number): string {
  return count === 1 ? "has" : "have";
}

export function timestepsText(value: number): string {
  return `${numberText(value, 3)} ${value === 1 ? "timestep" : "timesteps"}`;
}

/** "22 of 24 units; 2 have no exponential decay, or no finite gradient". */
export function countText({ dots, values, notExponential, endless }: TimescalePlot): string {
  const parts = [
    `${dots.length} of ${values.gate_timescales.length} units`,
    notExponential === 0 ? "" : `${notExponential} ${have(notExponential)} no exponential decay, or no finite gradient`,
    endless === 0 ? "" : `${endless} ${have(endless)} ${endless === 1 ? "a gate that is" : "gates that are"} 1`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}

/** All units, those that are not drawn too. */
export function timescaleNumbers({ of, values }: TimescalePlot): Lines {
  const units = values.gate_timescales.map((_, unit) => unit);
  const numbers = (name: string, found: readonly (number | null)[]) => ({
    name,
    type: "float" as const,
    values: found.map((value) => value ?? NaN),
  });
  return {
    kind: "lines",
    fields: [
      { name: "run", type: "text", values: units.map(() => of.run) },
      { name: "layer", type: "text", values: units.map(() => of.layer) },
      { name: "direction", type: "text", values: units.map(() => values.direction) },
      { name: "step", type: "integer", values: units.map(() => values.step) },
      { name: "unit", type: "integer", values: units },
      numbers("gate_timescale", values.gate_timescales),
      numbers("gradient_timescale", values.gradient_timescales),
      numbers("fit", values.fits),
    ],
  };
}
