import { describe, expect, it } from "vitest";
import { blockGap, layOut, matrixGap } from "./layout";

const gutters = { beside: 34, bar: 96 };

describe("the matrices", () => {
  it.each([
    [650, 1],
    [650, 8],
    [1100, 3],
    [2300, 1],
    [2300, 16],
  ])("stay within a room of %d pixels, %d blocks in it", (width, blocks) => {
    const layout = layOut({ width, height: 800 }, blocks, 2, gutters);
    const block = 2 * layout.column + matrixGap;
    expect(layout.across * block + (layout.across - 1) * blockGap).toBeLessThanOrEqual(width - gutters.bar);
    expect(layout.across).toBeLessThanOrEqual(blocks);
    expect(layout.width).toBeGreaterThanOrEqual(150);
  });

  it("are spread evenly over the rows", () => {
    // Five would fit beside each other.
    expect(layOut({ width: 2300, height: 800 }, 6, 2, gutters).across).toBe(3);
  });
});
