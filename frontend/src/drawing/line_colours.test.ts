import { describe, expect, it } from "vitest";
import { contrast, distinctColour, shades, visibleColour } from "./line_colours";

const runs = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];

describe("the colours of lines", () => {
  it("have the contrast that WCAG defines", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 6);
    expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.478, 2);
    expect(contrast("#ffffff", "#777777")).toBeCloseTo(4.478, 2);
  });

  it("are seen on either background, every shade of every run", () => {
    for (const [isDark, background] of [
      [false, "#ffffff"],
      [true, "#303030"],
    ] as const) {
      for (const run of runs) {
        for (const count of [1, 2, 4, 64]) {
          const all = shades(run, isDark, count);
          expect(all).toHaveLength(count);
          for (const shade of all) expect(contrast(shade, background)).toBeGreaterThanOrEqual(3);
        }
      }
    }
  });

  it("stay a run's own where that is seen already, and tell samples apart", () => {
    expect(visibleColour("#e52592", false)).toBe("#e52592");
    expect(visibleColour("#12b5cb", true)).toBe("#12b5cb");
    expect(shades("#e52592", false, 1)).toEqual(["#e52592"]);
    for (const run of runs) {
      const all = shades(run, false, 4);
      expect(new Set(all).size).toBe(4);
      all.slice(1).forEach((shade, i) => {
        expect(contrast(shade, all[i])).toBeGreaterThan(1.2);
      });
    }
  });

  it("are unlike each other for neighbours among many", () => {
    // hsl(0 60% 50%)
    expect(distinctColour(0, false)).toBe("#cc3333");
    for (const isDark of [false, true]) {
      const all = Array.from({ length: 512 }, (_, i) => distinctColour(i, isDark));
      const parts = all.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
      for (const off of [1, 2, 3]) {
        parts.slice(off).forEach((colour, i) => {
          const distance = Math.hypot(...colour.map((part, k) => part - parts[i][k]));
          expect(distance).toBeGreaterThan(40);
        });
      }
      for (const colour of all) expect(contrast(colour, isDark ? "#303030" : "#ffffff")).toBeGreaterThanOrEqual(3);
    }
  });
});
