import { describe, expect, it } from "vitest";
import { trendAxis, trendHeight } from "./trend_axis";

describe("the axis of a trend", () => {
  it("of counts and shares begins at zero and ends at the whole", () => {
    const axis = trendAxis([4, 6], true, 79);
    expect([0, 79].map((value) => trendHeight(axis, value))).toEqual([0, 1]);
    expect(trendAxis([4, 6], true, null)).toEqual({ low: 0, high: 6, isLog: false });
  });

  it("is one of logarithms where values span a decade", () => {
    const axis = trendAxis([1e-4, 1e-2], false, null);
    expect(axis.isLog).toBe(true);
    expect(trendHeight(axis, 1e-3)).toBeCloseTo(0.5, 12);
    expect(trendAxis([0, 1e-2], false, null).isLog).toBe(false);
    expect(trendAxis([1, 3], false, null).isLog).toBe(false);
  });

  it("has a place for values that are all equal, and for none", () => {
    expect(trendHeight(trendAxis([0, 0], true, null), 0)).toBe(0);
    expect(trendHeight(trendAxis([3, 3], false, null), 3)).toBe(0.5);
    expect(trendAxis([], true, null)).toEqual({ low: 0, high: 1, isLog: false });
  });
});
