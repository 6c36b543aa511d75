import { describe, expect, it } from "vitest";
import { densityDifference, differencePath } from "./histogram_difference";

const bars = (edges: number[], counts: number[]) => ({ edges, counts, total: counts.reduce((a, b) => a + b, 0) });

/** The share of values per unit at a point, one value at a time. */
function densityAt({ edges, counts, total }: ReturnType<typeof bars>, at: number): number {
  const bar = counts.findIndex((_, i) => edges[i] <= at && at < edges[i + 1]);
  return bar < 0 ? 0 : counts[bar] / total / (edges[bar + 1] - edges[bar]);
}

describe("difference of two histograms", () => {
  const one = bars([-2, -1, 0, 1], [2, 0, 6]);
  const other = bars([-1, -0.5, 0, 0.5, 1, 1.5], [1, 1, 4, 0, 2]);

  it("is that of the densities, whatever the widths of the bins", () => {
    const { edges, differences } = densityDifference(one, other);
    expect(edges).toEqual([-2, -1, -0.5, 0, 0.5, 1, 1.5]);
    differences.forEach((difference, i) => {
      const middle = (edges[i] + edges[i + 1]) / 2;
      expect(difference).toBeCloseTo(densityAt(one, middle) - densityAt(other, middle), 12);
    });
    // What one has more the other has fewer: both cover an area of one.
    const area = differences.reduce((sum, difference, i) => sum + difference * (edges[i + 1] - edges[i]), 0);
    expect(area).toBeCloseTo(0, 12);
  });

  it("is drawn upwards where there is more", () => {
    const axis = { kind: "linear" as const, floor: 0, low: -2, high: 2 };
    const found = { edges: [-2, 0, 1], differences: [0.5, -1] };
    expect(differencePath(found, axis, 1, { width: 1000, height: 100 })).toBe("M0 50V25H500V100H750V50Z");
    expect(differencePath({ edges: [0, 1], differences: [0] }, axis, 0, { width: 8, height: 2 })).toBe("M4 1V1H6V1Z");
  });
});
