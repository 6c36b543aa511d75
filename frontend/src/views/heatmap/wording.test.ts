import { describe, expect, it } from "vitest";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { cellText } from "./wording";

function run(directions: string[], gates: string[], space: number[] = []): ShownRun {
  const quantity = { quantity: "output_gradient", kind: "sequence" as const, last_step: 0, last_wall_time: 0 };
  const layer = { layer: "l", cell: "lstm", units: 4, directions, gates, space, framework: null };
  const shown = { key: "lstm", run: "lstm", position: 0, moment: "now" as const, minus: null };
  return { ...shown, layer: { ...layer, quantities: [quantity] }, quantity };
}

function array(full_shape: [number, number], matrix: string | null = null): LoadedArray {
  return { full_shape, matrix, channels: null } as unknown as LoadedArray;
}

describe("the name of a cell", () => {
  it("has the direction of a channel and the timestep", () => {
    const both = run(["forward", "backward"], []);
    expect(cellText(both, array([20, 8]), [3, 3], [5, 5])).toBe("channel 5 (backward), t = 3");
    expect(cellText(both, array([20, 8]), [3, 4], [0, 1])).toBe("largest of channels 0\u20131 (forward), t = 3\u20134");
  });

  it("has the filter and the place of a convolutional layer", () => {
    const plane = run(["forward", "backward"], [], [3, 6]);
    const channel = 3 * 18 + 2 * 6 + 5;
    expect(cellText(plane, array([20, 144]), [1, 1], [channel, channel])).toBe(
      "filter 3, row 2, column 5 (forward), t = 1",
    );
    expect(cellText(plane, array([20, 144]), [1, 1], [72 + channel, 72 + channel])).toBe(
      "filter 3, row 2, column 5 (backward), t = 1",
    );
    expect(cellText(plane, array([20, 144]), [1, 1], [0, 1])).toBe("largest of channels 0\u20131 (forward), t = 1");
    expect(cellText(run(["forward"], [], [6]), array([20, 24]), [1, 1], [23, 23])).toBe("filter 3, column 5, t = 1");
    expect(cellText(run(["forward"], [], [2, 3, 6]), array([20, 144]), [1, 1], [143, 143])).toBe(
      "filter 3, plane 1, row 2, column 5, t = 1",
    );
  });

  it("does not number the only timestep that there is", () => {
    expect(cellText(run(["forward"], []), array([1, 8]), [0, 0], [5, 5])).toBe("channel 5, last timestep");
  });

  it("has the gate and unit of a matrix", () => {
    const gates = ["input", "forget", "cell", "output"];
    expect(cellText(run(["forward"], gates), array([4, 16], "forward/kernel"), [2, 2], [9, 9])).toBe(
      "row 2, cell gate, unit 1",
    );
    expect(cellText(run(["forward"], gates), array([4, 16], "forward/kernel"), [2, 2], [8, 11])).toBe(
      "largest of row 2, cell gate, units 0\u20133",
    );
  });

  it("has the columns alone where they are of two gates, or of none", () => {
    const gates = ["input", "forget", "cell", "output"];
    expect(cellText(run(["forward"], gates), array([4, 20], "forward/kernel"), [2, 2], [3, 5])).toBe(
      "largest of row 2, columns 3\u20135",
    );
    expect(cellText(run(["forward"], gates), array([4, 4], "forward/projection_kernel"), [2, 2], [1, 1])).toBe(
      "row 2, column 1",
    );
  });
});
