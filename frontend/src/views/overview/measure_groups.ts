/** All measures of a row: of each kind those of every direction, gate, matrix and quantity, under one axis. */

import { trendAxis, type TrendAxis } from "../../drawing/trend_axis";
import { type Health, type Measure, type MeasureKind } from "../../state/health";
import { quantityPhrase } from "../../state/names";
import { type Lines } from "../../take_away/table";
import { fromZero, type HealthRow, pointsOf, wholeOf } from "./health_rows";
import { partText } from "./measure_value";

export interface MeasurePart {
  /** Unlike that of any other part of the row. */
  key: string;
  /** "forward, recurrent kernel"; "" where there is one part only. */
  label: string;
  measure: Measure;
}

export interface MeasureGroup {
  kind: MeasureKind;
  /** What all parts have in common: "recurrent kernel"; "" for nothing. */
  common: string;
  parts: MeasurePart[];
  axis: TrendAxis;
}

/** Those of the words about a measure by which it differs from the others, or does not. */
function wordsOf(measure: Measure, row: HealthRow, all: readonly Measure[], differing: boolean): string {
  const differs = (field: "quantity" | "direction" | "matrix" | "gate") =>
    all.some((other) => other[field] !== measure[field]);
  const kept = (field: "direction" | "matrix" | "gate") => (differs(field) === differing ? measure[field] : "");
  const part = partText({ direction: kept("direction"), matrix: kept("matrix"), gate: kept("gate") }, row);
  // A gate's quantity is called like the gate.
  const isGate = measure.gate !== "" && measure.quantity === `gate/${measure.gate}`;
  const quantity = differing && differs("quantity") && !isGate ? quantityPhrase(measure.quantity) : "";
  return [quantity, part].filter((text) => text !== "").join(", ");
}

/** In the order of the kinds. */
export function groupsOf({ kinds }: Health, row: HealthRow): MeasureGroup[] {
  const absent = new Set(row.layer.absent.map(({ measure }) => measure));
  return kinds.flatMap((kind) => {
    const own = row.layer.measures.filter(({ measure }) => measure === kind.measure);
    if (own.length === 0 || absent.has(kind.measure)) return [];
    const parts = own.map((measure) => ({
      key: JSON.stringify([measure.measure, measure.quantity, measure.direction, measure.matrix, measure.gate]),
      label: wordsOf(measure, row, own, true),
      measure,
    }));
    const values = own.flatMap((measure) => measure.values.flatMap((value) => value ?? []));
    const axis = trendAxis(values, fromZero.includes(kind.unit), wholeOf(kind.unit, own));
    return [{ kind, common: wordsOf(own[0], row, own, false), parts, axis }];
  });
}

export interface AbsentKinds {
  titles: string[];
  reason: string;
}

/** Those for which the same reason holds together. */
export function absentKinds({ kinds }: Health, row: HealthRow): AbsentKinds[] {
  const found = new Map<string, string[]>();
  for (const { measure, reason } of row.layer.absent) {
    const title = kinds.find((kind) => kind.measure === measure)?.title ?? measure;
    found.set(reason, [...(found.get(reason) ?? []), title]);
  }
  return [...found].map(([reason, titles]) => ({ titles, reason }));
}

/** A line for each step of each measure of a row. */
export function measureNumbers({ run, layer }: HealthRow): Lines {
  const lines = layer.measures.flatMap((measure) => pointsOf(measure).map((point) => ({ measure, ...point })));
  const texts = ["measure", "quantity", "direction", "matrix", "gate"] as const;
  return {
    kind: "lines",
    fields: [
      { name: "run", type: "text", values: lines.map(() => run.run) },
      { name: "layer", type: "text", values: lines.map(() => layer.layer) },
      ...texts.map((name) => ({ name, type: "text" as const, values: lines.map(({ measure }) => measure[name]) })),
      { name: "step", type: "integer", values: lines.map(({ step }) => step) },
      { name: "value", type: "float", values: lines.map(({ value }) => value ?? NaN) },
    ],
  };
}
