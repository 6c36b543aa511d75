import { describe, expect, it } from "vitest";
import { drawnPixels } from "./heatmap";

describe("the size of a drawing", () => {
  it("is a whole number of pixels a cell where that nearly fills the room", () => {
    expect(drawnPixels(100, 310, 20)).toBe(300);
    expect(drawnPixels(60, 60, 20)).toBe(60);
    expect(drawnPixels(300, 310, 20)).toBe(300);
  });

  it("fills the room where whole numbers would waste it", () => {
    expect(drawnPixels(80, 310, 20)).toBe(310);
    expect(drawnPixels(160, 310, 20)).toBe(310);
  });

  it("makes no cell larger than allowed", () => {
    expect(drawnPixels(5, 310, 20)).toBe(100);
    expect(drawnPixels(1, 310, 20)).toBe(20);
    expect(drawnPixels(0, 310, 20)).toBe(0);
  });
});
