import { describe, expect, it } from "vitest";
import { type ShownRun } from "../state/catalogue";
import { binsOf, histogramNumbers, unitNames } from "./panel_numbers";

describe("the columns of a matrix", () => {
  const run = { layer: { gates: ["update", "reset"] } } as unknown as ShownRun;

  it("are units of gates, where they are", () => {
    expect(unitNames(run, "forward/kernel", 4)).toEqual(["update 0", "update 1", "reset 0", "reset 1"]);
    expect(unitNames(run, "forward/kernel", 3)).toEqual(["column 0", "column 1", "column 2"]);
    expect(unitNames(run, "forward/projection_kernel", 2)).toEqual(["column 0", "column 1"]);
  });
});

describe("bins as they are taken away", () => {
  it("have their edges", () => {
    expect(binsOf({ exponent: -2, first_bin: -1, counts: [3, 4] })).toEqual([
      { low: -0.25, high: 0, count: 3 },
      { low: 0, high: 0.25, count: 4 },
    ]);
    expect(binsOf({ first_exponent: 1, negative: [1, 2], positive: [3, 4], zero: 5 })).toEqual([
      { low: -8, high: -4, count: 2 },
      { low: -4, high: -2, count: 1 },
      { low: -(2 ** -126), high: 2 ** -126, count: 5 },
      { low: 2, high: 4, count: 3 },
      { low: 4, high: 8, count: 4 },
    ]);
  });

  it("have the ends that they were counted between", () => {
    expect(binsOf({ low: -1, high: 2, counts: [3, 4] })).toEqual([
      { low: -1, high: 0.5, count: 3 },
      { low: 0.5, high: 2, count: 4 },
    ]);
  });

  it("are lines with their run and step; a step with nothing finite has none", () => {
    const { fields } = histogramNumbers([
      { run: "a", step: 0, histogram: { exponent: 0, first_bin: 0, counts: [1] } },
      { run: "b", step: 5, histogram: null },
    ]);
    expect(fields.map(({ name, values }) => [name, ...values])).toEqual([
      ["run", "a"],
      ["step", 0],
      ["low", 0],
      ["high", 1],
      ["count", 1],
    ]);
  });
});
