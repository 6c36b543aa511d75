import { describe, expect, it } from "vitest";
import { flowNumbers } from "./flow_numbers";

const logged = { steps: [0, 50], norms: Float32Array.of(1, 2, 3, NaN), shape: [2, 2] as [number, number] };

describe("a gradient-flow map as it is taken away", () => {
  it("says the timestep of every column", () => {
    const { rowName, rowLabels, columnNames, cells } = flowNumbers({ ...logged, blocks: [4, 4] });
    expect([rowName, rowLabels, columnNames]).toEqual(["step", [0, 50], ["t = 0", "t = 4"]]);
    expect(cells).toBe(logged.norms);
  });

  it("names no timestep that is not that of all steps", () => {
    expect(flowNumbers({ ...logged, blocks: [1, 2] }).columnNames).toEqual(["point 0", "point 1"]);
  });
});
