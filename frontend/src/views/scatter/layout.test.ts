import { describe, expect, it } from "vitest";
import { layOutScatter } from "./layout";

describe("the runs of a scatter", () => {
  it("share the width, in rows of equal length", () => {
    const columns = (width: number, runs: number) => layOutScatter({ width, height: 700 }, runs).columns;
    expect([columns(676, 1), columns(676, 8)]).toEqual([1, 1]);
    expect([columns(1150, 2), columns(1150, 3), columns(1150, 1)]).toEqual([2, 2, 1]);
    expect([columns(2310, 8), columns(2310, 5)]).toEqual([4, 5]);
  });

  it("have both drawings within their column", () => {
    for (const width of [400, 676, 1150, 2310]) {
      for (const runs of [1, 2, 8]) {
        const layout = layOutScatter({ width, height: 700 }, runs);
        expect(layout.dots + layout.distribution).toBeLessThan(layout.column - 70);
        expect(layout.dots).toBeGreaterThan(layout.distribution);
        expect(layout.columns * layout.column).toBeLessThanOrEqual(width - 44);
        expect(layout.height).toBeGreaterThanOrEqual(150);
      }
    }
  });
});
