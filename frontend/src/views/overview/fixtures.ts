/** Health as the server answers it, for tests. */

import { type Finding, type Health, type LayerHealth, type Measure, type Verdict } from "../../state/health";

export function measure(changes: Partial<Measure>): Measure {
  return {
    measure: "gradient_horizon",
    title: "gradient horizon",
    unit: "timesteps",
    quantity: "bptt_gradient",
    direction: "forward",
    matrix: "",
    gate: "",
    steps: [0, 50, 100],
    values: [4, 5, 6],
    of: 79,
    latest: 6,
    latest_step: 100,
    text: "6 of 79",
    severity: "ok",
    finding: null,
    ...changes,
  };
}

export function layer(name: string, severity: Verdict, measures: Measure[]): LayerHealth {
  return {
    layer: name,
    cell: "rnn",
    units: 48,
    directions: ["forward"],
    gates: [],
    quantities: ["bptt_gradient"],
    timesteps: 80,
    last_step: 100,
    severity,
    cells: Object.fromEntries(measures.map((one, i) => [one.measure, i])),
    measures,
    absent: [],
  };
}

export function finding(changes: Partial<Finding>): Finding {
  return {
    severity: "error",
    fault: "vanishing",
    run: "rnn",
    layer: "recurrent",
    quantity: "bptt_gradient",
    direction: "forward",
    matrix: "",
    gate: "",
    timestep: null,
    since: 0,
    clean_until: null,
    until: 100,
    measure: "gradient_horizon",
    value: 6,
    of: 79,
    threshold: 0.1,
    threshold_name: "short_horizon",
    sentence: "the gradient reaches 6 of 79 steps back, and has since step 0.",
    explanation: "It falls below 1% of its largest value beyond that lag.",
    advice: "What usually helps: a gated cell.",
    follows: null,
    link: { view: "curves", run: "rnn", layer: "recurrent", quantity: "bptt_gradient", step: 100 },
    ...changes,
  };
}

export const columns = [
  { measure: "gradient_horizon", title: "gradient horizon", meaning: "how far back" },
  { measure: "dead_units", title: "dead units", meaning: "how many say the same" },
  { measure: "update_ratio", title: "update ratio", meaning: "how fast it learns" },
];

export const kinds = columns.map(({ measure, title, meaning }) => ({
  measure,
  title,
  unit: "number" as const,
  meaning,
  misleads: `what ${title} does not say`,
}));

export const thresholds = [
  { name: "horizon_share", value: 0.01, default: 0.01, adjustable: true, meaning: "long is what", source: "ours" },
  { name: "short_horizon", value: 0.1, default: 0.1, adjustable: true, meaning: "short is what", source: "ours" },
  { name: "gate_low", value: 0.1, default: 0.1, adjustable: false, meaning: "shut is what", source: "Karpathy" },
];

export function health(changes: Partial<Health>): Health {
  return { columns, kinds, runs: [], findings: [], thresholds, missing: [], ...changes };
}
