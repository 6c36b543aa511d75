import { cleanup, render } from "@testing-library/preact";
import { afterEach, expect, it } from "vitest";
import { index } from "../state/catalogue";
import { choices, defaultChoices } from "../state/choices";
import { AbsentRuns } from "./caption";

function offer(layersOfRuns: Record<string, Record<string, string[]>>): void {
  const runs = Object.entries(layersOfRuns).map(([run, layers], position) => ({
    run,
    position,
    layers: Object.entries(layers).map(([layer, names]) => ({
      ...{ layer, cell: "gru", units: 1, directions: ["forward"], gates: [], space: [], framework: null },
      quantities: names.map((quantity) => ({ quantity, kind: "sequence" as const, last_step: 0, last_wall_time: 1 })),
    })),
  }));
  index.value = { version: "", revision: JSON.stringify(layersOfRuns), experiment_has_runs: true, runs };
}

afterEach(cleanup);

it("says once what several runs lack", () => {
  choices.value = { ...defaultChoices, layer: "long/name", quantity: "activation" };
  const other = { other: ["activation"] };
  offer({ a: { "long/name": ["activation"] }, b: other, c: { "long/name": ["output_gradient"] }, d: other });
  const { container } = render(<AbsentRuns />);
  expect(container.textContent).toBe("b, d have no layer long/name; c has none of this quantity here.");
});

it("says nothing where all have what is chosen", () => {
  choices.value = defaultChoices;
  offer({ a: { l: ["activation"] }, b: { l: ["activation"] } });
  const { container } = render(<AbsentRuns />);
  expect(container.textContent).toBe("");
});
