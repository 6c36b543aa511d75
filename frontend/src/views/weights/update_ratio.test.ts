import { describe, expect, it } from "vitest";
import { axisTicks, heightOf } from "../../drawing/value_axis";
import { ratioAxis, usualRatio } from "./update_ratio";

const points = (...values: (number | null)[]) => values.map((value, step) => ({ step, value }));

describe("the axis of update ratios", () => {
  it.each([[[2e-5, 3e-4, null]], [[0.7]], [[1e-3]], [[null]], [[0]]])(
    "has %j and the usual ratio within it",
    (values) => {
      const axis = ratioAxis(points(...values));
      for (const value of [...values.filter((one) => one !== null && one > 0), usualRatio]) {
        expect(heightOf(axis, value ?? 0)).toBeGreaterThan(0.03);
        expect(heightOf(axis, value ?? 0)).toBeLessThan(0.97);
      }
      expect(heightOf(axis, 0)).toBe(0);
    },
  );

  it("is logarithmic: every decade is as high as any other", () => {
    const axis = ratioAxis(points(2e-6, 0.02));
    const heights = [1e-5, 1e-4, 1e-3, 1e-2].map((value) => heightOf(axis, value));
    const apart = heights.slice(1).map((height, i) => height - heights[i]);
    for (const one of apart) expect(one).toBeCloseTo(1 / 5, 9);
    expect(axisTicks(axis, 0.3).length).toBeGreaterThan(1);
  });
});
