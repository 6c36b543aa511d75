import { describe, expect, it } from "vitest";
import { layOut } from "./flow_layout";

const view = 800;

describe("the gradient-flow maps", () => {
  it("take the height that is left, in one row where all fit", () => {
    const { across, height } = layOut({ width: 1200, height: 400 }, view, 3, 1, false);
    expect(across).toBe(3);
    expect(height).toBeGreaterThan(200);
    expect(height).toBeLessThan(400);
    const lower = layOut({ width: 1200, height: 350 }, view, 3, 1, false);
    expect(height - lower.height).toBe(50);
  });

  it.each([1, 2])("take a share of the view where it has to be scrolled anyway, of %d directions", (directions) => {
    const share = Math.floor((0.34 * view) / directions);
    for (const left of [-500, 0, 150]) {
      expect(layOut({ width: 1200, height: left }, view, 3, directions, false).height).toBe(share);
    }
  });

  it("are never too low to be read", () => {
    expect(layOut({ width: 1200, height: -500 }, 200, 3, 1, false).height).toBe(160);
  });
});
