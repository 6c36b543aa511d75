/** The table of health as it is taken away: a line for each step of each trend. */

import { type Lines } from "../../take_away/table";
import { type HealthTable, trendOf } from "./health_rows";

export function healthNumbers(of: HealthTable | null): Lines {
  const lines = (of?.rows ?? []).flatMap((row) =>
    (of?.columns ?? []).flatMap((column) => {
      const trend = trendOf(row, column);
      const { direction = "", matrix = "", gate = "" } = trend?.measure ?? {};
      const place = { run: row.run.run, layer: row.layer.layer, measure: column.measure, direction, matrix, gate };
      return (trend?.points ?? []).map(({ step, value }) => ({ ...place, step, value: value ?? NaN }));
    }),
  );
  const texts = ["run", "layer", "measure", "direction", "matrix", "gate"] as const;
  return {
    kind: "lines",
    fields: [
      ...texts.map((name) => ({ name, type: "text" as const, values: lines.map((line) => line[name]) })),
      { name: "step", type: "integer", values: lines.map(({ step }) => step) },
      { name: "value", type: "float", values: lines.map(({ value }) => value) },
    ],
  };
}
