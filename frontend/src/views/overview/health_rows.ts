/** The table of health: which rows and columns there are, in which order, and how its trends are scaled. */

import { computed, signal } from "@preact/signals";
import { type StepPoint } from "../../drawing/step_curve";
import { trendAxis, type TrendAxis } from "../../drawing/trend_axis";
import { choices } from "../../state/choices";
import { health, type Health, type LayerHealth, type Measure, type RunHealth } from "../../state/health";
import { gravity } from "./severity";

export interface HealthRow {
  key: string;
  run: RunHealth;
  layer: LayerHealth;
}

export const lossColumn = "loss";

/** A column of the table; that of the loss is the first. */
export interface TableColumn {
  measure: string;
  title: string;
  meaning: string;
}

/** What one cell shows. */
export interface Trend {
  title: string;
  points: StepPoint[];
  /** null: not finite, or not to be had. */
  latest: number | null;
  latestStep: number | null;
  text: string;
  measure: Measure | null;
}

function firstFinding({ measures }: LayerHealth): number {
  return measures.reduce((first, { finding }) => Math.min(first, finding ?? Infinity), Infinity);
}

/** Worst first; then as the findings come; what is all right in the order of runs and layers. */
export function rowsOf({ runs }: Health): HealthRow[] {
  const rows = runs.flatMap((run) =>
    run.layers.map((layer) => ({ key: JSON.stringify([run.run, layer.layer]), run, layer })),
  );
  return rows.sort((a, b) => {
    const graver = gravity(b.layer.severity) - gravity(a.layer.severity);
    const [first, second] = [firstFinding(a.layer), firstFinding(b.layer)];
    return graver !== 0 ? graver : first === second ? 0 : first - second;
  });
}

export function measureIn({ layer }: HealthRow, column: string): Measure | null {
  const at = layer.cells[column];
  return at === undefined ? null : (layer.measures.at(at) ?? null);
}

/** Those of which some row has something. */
export function columnsOf(of: Health): TableColumn[] {
  const rows = rowsOf(of);
  const there = of.columns.filter(({ measure }) => rows.some((row) => measureIn(row, measure) !== null));
  const tag = of.runs.find(({ loss }) => loss !== null)?.loss?.tag;
  const loss = { measure: lossColumn, title: "loss", meaning: `The run's scalar "${tag ?? ""}".` };
  return tag === undefined ? there : [loss, ...there];
}

export function pointsOf({ steps, values }: Pick<Measure, "steps" | "values">): StepPoint[] {
  return steps.map((step, i) => ({ step, value: values[i] }));
}

export function trendOf(row: HealthRow, column: TableColumn): Trend | null {
  if (column.measure === lossColumn) {
    const { loss } = row.run;
    if (loss === null) return null;
    const points = pointsOf(loss);
    const last = points.findLast(({ value }) => value !== null);
    const latest = points.at(-1)?.value ?? null;
    return { title: loss.tag, points, latest, latestStep: last?.step ?? null, text: "", measure: null };
  }
  const measure = measureIn(row, column.measure);
  if (measure === null) return null;
  const { title, latest, latest_step, text } = measure;
  return { title, points: pointsOf(measure), latest, latestStep: latest_step, text, measure };
}

/** Units whose axis begins at zero. */
export const fromZero: readonly (Measure["unit"] | undefined)[] = ["timesteps", "units", "weights", "share", "count"];
/** Of these a whole is what there could be at most; a dead unit or two of hundreds would be lost below it. */
const toWhole: readonly (Measure["unit"] | undefined)[] = ["timesteps"];

/** The end of an axis of measures in this unit; null where their values say it. */
export function wholeOf(unit: Measure["unit"] | undefined, measures: readonly Measure[]): number | null {
  const wholes = toWhole.includes(unit) ? measures.flatMap(({ of }) => of ?? []) : [];
  return wholes.length === 0 ? null : Math.max(...wholes);
}

/** One axis for each column, so that rows can be compared. */
export function axesOf(of: Health): Map<string, TrendAxis> {
  const rows = rowsOf(of);
  return new Map(
    columnsOf(of).map((column) => {
      const trends = rows.flatMap((row) => trendOf(row, column) ?? []);
      const values = trends.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
      const unit = trends.find(({ measure }) => measure !== null)?.measure?.unit;
      const whole = wholeOf(
        unit,
        trends.flatMap(({ measure }) => measure ?? []),
      );
      return [column.measure, trendAxis(values, fromZero.includes(unit), whole)];
    }),
  );
}

export interface HealthTable {
  rows: HealthRow[];
  columns: TableColumn[];
  axes: Map<string, TrendAxis>;
  /** The first and the last step of all trends. */
  first: number;
  last: number;
}

export function tableOf(of: Health): HealthTable {
  const [rows, columns] = [rowsOf(of), columnsOf(of)];
  const steps = rows.flatMap((row) =>
    columns.flatMap((column) => trendOf(row, column)?.points.map(({ step }) => step) ?? []),
  );
  const first = steps.reduce((a, b) => Math.min(a, b), Infinity);
  const last = steps.reduce((a, b) => Math.max(a, b), -Infinity);
  return { rows, columns, axes: axesOf(of), first, last };
}

export const table = computed<HealthTable | null>(() => (health.value === null ? null : tableOf(health.value)));

/** The step of a trend that is pointed at. */
export interface PointedTrend {
  row: string;
  /** Of the trend, within its row. */
  name: string;
  run: string;
  layer: string;
  title: string;
  point: StepPoint;
}

export const pointedTrend = signal<PointedTrend | null>(null);

/** Whether all measures of a row are shown. */
export function isOpen({ run, layer }: HealthRow): boolean {
  const { row } = choices.value;
  return row?.[0] === run.run && row[1] === layer.layer;
}
