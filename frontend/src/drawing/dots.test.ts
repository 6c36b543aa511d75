import { describe, expect, it } from "vitest";
import { type DotPlane, dotX, dotY, radiusOf, slotAt } from "./dots";
import { valueAxis } from "./value_axis";

const scale = { kind: "linear" as const, decades: 6, limit: 4, low: -4, high: 4 };
const plane: DotPlane = {
  channels: 10,
  samples: 3,
  axis: valueAxis(scale, true),
  width: 310,
  height: 90,
  inset: 5,
};

describe("a dot", () => {
  it("lies in its channel's slot, the samples beside each other and apart from the next channel's", () => {
    const all = Array.from({ length: 30 }, (_, i) => dotX(plane, Math.floor(i / 3), i % 3));
    expect(all).toEqual(all.toSorted((a, b) => a - b));
    expect(dotX(plane, 0, 1)).toBeCloseTo(20, 9);
    expect(dotX(plane, 9, 1)).toBeCloseTo(290, 9);
    expect(all.map((x) => slotAt(plane, x))).toEqual(all.map((_, i) => Math.floor(i / 3)));
    const radius = radiusOf(plane, 1);
    expect(all[1] - all[0]).toBeGreaterThanOrEqual(2 * radius - 1e-9);
  });

  it("is as high as its value", () => {
    expect([4, 0, -4, 2].map((value) => dotY(plane, value))).toEqual([5, 45, 85, 25]);
  });

  it("is never too small to see", () => {
    expect(radiusOf({ ...plane, channels: 5000 }, 2)).toBe(4);
    expect(radiusOf({ ...plane, channels: 1, samples: 1 }, 2)).toBe(7);
  });

  it("is found at the edges too", () => {
    expect([slotAt(plane, -9), slotAt(plane, 999)]).toEqual([0, 9]);
  });
});
