/** The findings as they are taken away: a line each, with all that is said of it. */

import { type Finding, type Health } from "../../state/health";
import { type Lines } from "../../take_away/table";

const texts = [
  "severity",
  "fault",
  "run",
  "layer",
  "quantity",
  "direction",
  "matrix",
  "gate",
  "sentence",
  "explanation",
  "advice",
  "measure",
  "threshold_name",
] as const satisfies readonly (keyof Finding)[];

export function findingNumbers(of: Health | null): Lines {
  const findings = of?.findings ?? [];
  return {
    kind: "lines",
    fields: [
      ...texts.map((name) => ({ name, type: "text" as const, values: findings.map((one) => one[name]) })),
      { name: "since", type: "integer", values: findings.map(({ since }) => since) },
      { name: "value", type: "float", values: findings.map(({ value }) => value ?? NaN) },
      { name: "threshold", type: "float", values: findings.map(({ threshold }) => threshold ?? NaN) },
    ],
  };
}
