import { describe, expect, it } from "vitest";
import { axisOver, barsOf, clippedPeaks, densities, densityLimit, outlinePath } from "./histogram";

const linear = { exponent: -2, first_bin: -3, counts: [1, 0, 5, 2] };
const wider = { exponent: 0, first_bin: 0, counts: [4, 4] };
/** 2^-3 ≤ |v| < 2^-2, 2^-2 ≤ |v| < 2^-1. */
const magnitude = { first_exponent: -3, negative: [3, 0], positive: [2, 4], zero: 1 };

const area = (bars: ReturnType<typeof barsOf>) =>
  densities(bars).reduce((sum, density, i) => sum + density * (bars.edges[i + 1] - bars.edges[i]), 0);

describe("bars", () => {
  it("of equal width have the edges that were counted between", () => {
    const axis = axisOver([linear, wider], "linear", 6);
    expect([axis.low, axis.high]).toEqual([-0.75, 2]);
    expect(barsOf(linear, axis)).toEqual({ edges: [-0.75, -0.5, -0.25, 0, 0.25], counts: [1, 0, 5, 2], total: 8 });
  });

  it("of magnitudes are an octave wide, with all that is small in the middle", () => {
    const axis = axisOver([magnitude], "symlog", 6);
    expect(axis).toEqual({ kind: "symlog", floor: -3, low: -3, high: 3 });
    expect(barsOf(magnitude, axis)).toEqual({
      edges: [-3, -2, -1, 1, 2, 3],
      counts: [0, 3, 1, 2, 4],
      total: 10,
    });
  });

  it("of magnitudes without signs add both", () => {
    const axis = axisOver([magnitude], "log", 6);
    expect(barsOf(magnitude, axis)).toEqual({ edges: [0, 1, 2, 3], counts: [1, 5, 4], total: 10 });
  });

  it("leave out no value that is too small for the decades", () => {
    const long = {
      first_exponent: -30,
      negative: Array<number>(31).fill(0),
      positive: Array<number>(31).fill(1),
      zero: 2,
    };
    const axis = axisOver([long], "symlog", 2);
    expect(axis).toEqual({ kind: "symlog", floor: -6, low: -1, high: 8 });
    expect(barsOf(long, axis).counts).toEqual([26, 1, 1, 1, 1, 1, 1, 1]);
  });

  it("cover an area of one, whatever their widths", () => {
    const axis = axisOver([linear, wider], "linear", 6);
    expect(area(barsOf(linear, axis))).toBeCloseTo(1, 12);
    expect(area(barsOf(wider, axis))).toBeCloseTo(1, 12);
    expect(area(barsOf(magnitude, axisOver([magnitude], "symlog", 6)))).toBeCloseTo(1, 12);
  });

  it("have an axis even when there is nothing but zeros, or nothing", () => {
    expect(axisOver([], "linear", 6)).toMatchObject({ low: 0, high: 1 });
    const zeros = { first_exponent: 0, negative: [], positive: [], zero: 7 };
    const axis = axisOver([zeros], "symlog", 6);
    expect(barsOf(zeros, axis)).toEqual({ edges: [-1, 1], counts: [7], total: 7 });
  });
});

describe("bins of equal width between any two ends", () => {
  const histogram = { low: -0.3, high: 0.6, counts: [1, 0, 5] };

  it("have their edges, the last of them to the last digit", () => {
    const axis = axisOver([histogram, { low: 0.1, high: 0.7, counts: [2] }], "linear", 6);
    expect(axis).toEqual({ kind: "linear", floor: 0, low: -0.3, high: 0.7 });
    const { edges, counts, total } = barsOf(histogram, axis);
    expect(edges.map((edge) => Number(edge.toFixed(12)))).toEqual([-0.3, 0, 0.3, 0.6]);
    expect(edges.at(-1)).toBe(0.6);
    expect([counts, total]).toEqual([[1, 0, 5], 6]);
  });
});

describe("clipping", () => {
  const axis = { kind: "linear" as const, floor: 0, low: 0, high: 8 };
  const bars = (counts: number[]) => barsOf({ exponent: 0, first_bin: 0, counts }, axis);

  it("cuts the two tallest off when they stand far above the third", () => {
    const peaked = bars([4, 80, 10, 2, 2, 0, 1, 1]);
    expect(densityLimit([peaked], true)).toBeCloseTo(0.04, 12);
    expect(densityLimit([peaked], false)).toBeCloseTo(0.8, 12);
    expect(clippedPeaks(peaked, axis, 0.04)).toEqual([{ fraction: 1.5 / 8, share: 0.8 }]);
    expect(clippedPeaks(peaked, axis, 0.8)).toEqual([]);
  });

  it("leaves a histogram alone that has no peaks", () => {
    expect(densityLimit([bars([1, 2, 3, 3, 2, 1])], true)).toBeCloseTo(3 / 12, 12);
  });

  it("does not let a single value set the limit of others", () => {
    const one = bars([9]);
    const flat = bars([1, 1, 1, 1]);
    expect(densityLimit([one, flat], true)).toBeCloseTo(0.25, 12);
    expect(clippedPeaks(one, axis, 0.25)).toEqual([{ fraction: 0.5 / 8, share: 1 }]);
    expect(densityLimit([one], true)).toBe(1);
    // As of runs whose values are all 0, and all 1/4: of both there is something to be seen.
    const narrower = { edges: [0, 2 ** -100], counts: [9], total: 9 };
    expect(densityLimit([narrower, one], true)).toBe(1);
    expect(densityLimit([narrower, one], false)).toBe(2 ** 100);
  });
});

describe("the outline", () => {
  const outline = { width: 100, base: 100, limitAt: 10, top: 0 };
  const axis = { kind: "linear" as const, floor: 0, low: 0, high: 4 };

  it("goes from the first bar that holds a value to the last, and cut bars up to the top", () => {
    const bars = barsOf({ exponent: 0, first_bin: 0, counts: [0, 1, 3, 0] }, axis);
    expect(outlinePath(bars, axis, 0.75, outline)).toBe("M25 100V70H50V10H75V100Z");
    expect(outlinePath(bars, axis, 0.5, outline)).toBe("M25 100V55H50V0H75V100Z");
  });

  it("is nothing of nothing", () => {
    expect(outlinePath({ edges: [0, 1], counts: [0], total: 0 }, axis, 1, outline)).toBe("");
  });
});
