import { describe, expect, it } from "vitest";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { cellText } from "./wording";

function run(directions: string[], gates: string[]): ShownRun {
  const quantity = { quantity: "output_gradient", kind: "sequence" as const, last_step: 0, last_wall_time: 0 };
  const layer = { layer: "l", cell: "lstm", units: 4, directions, gates, framework: null, quantities: [quantity] };
  return { run: "lstm", position: 0, layer, quantity };
}

function array(full_shape: [number, number], matrix: string | null = null): LoadedArray {
  return { full_shape, matrix } as LoadedArray;
}

describe("the name of a cell", () => {
  it("has the direction of a channel and the timestep", () => {
    const both = run(["forward", "backward"], []);
    expect(cellText(both, array([20, 8]), [3, 3], [5, 5])).toBe("channel 5 (backward), t = 3");
    expect(cellText(both, array([20, 8]), [3, 4], [0, 1])).toBe("largest of channels 0\u20131 (forward), t = 3\u20134");
  });

  it("does not number the only timestep that there is", () => {
    expect(cellText(run(["forward"], []), array([1, 8]), [0, 0], [5, 5])).toBe("channel 5, last timestep");
  });

  it("has the gate and unit of a matrix", () => {
    const gates = ["input", "forget", "cell", "output"];
    expect(cellText(run(["forward"], gates), array([4, 16], "forward/kernel"), [2, 2], [9, 9])).toBe(
      "row 2, cell gate, unit 1",
    );
  });
});
