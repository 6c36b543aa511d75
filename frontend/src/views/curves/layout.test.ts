import { describe, expect, it } from "vitest";
import { axisWidth, layOutCurves, lineOf, linesInSight, placeAt } from "./layout";

const channels = { items: 512, oneAxis: true, narrowest: 140, lowest: 84 };

describe("the grid of curves", () => {
  it("has every panel of every run exactly once, a channel's runs together", () => {
    for (const [width, runs] of [
      [632, 1],
      [632, 8],
      [1100, 2],
      [1100, 3],
      [2270, 8],
    ]) {
      const layout = layOutCurves({ width, height: 700 }, { ...channels, runs });
      const seen = new Set<string>();
      for (let line = 0; line < layout.lines; line++) {
        layout.lefts.forEach((_, column) => {
          const { run, item } = placeAt(layout, line, column);
          if (run >= runs || item >= channels.items) return;
          expect(seen.has(`${run} ${item}`)).toBe(false);
          seen.add(`${run} ${item}`);
          const off = line - lineOf(layout, item);
          expect(off >= 0 && off < layout.linesPerGroup).toBe(true);
        });
      }
      expect(seen.size).toBe(runs * channels.items);
    }
  });

  it("stays within the room, and leaves place for the numbers", () => {
    for (const oneAxis of [true, false]) {
      for (const runs of [1, 2, 5, 8]) {
        const { lefts, width } = layOutCurves({ width: 1100, height: 700 }, { ...channels, oneAxis, runs });
        expect(lefts[0]).toBeGreaterThanOrEqual(axisWidth);
        lefts.slice(1).forEach((left, i) => {
          expect(left - lefts[i] - width).toBeGreaterThanOrEqual(oneAxis ? 15 : 15 + axisWidth);
        });
        expect(lefts[lefts.length - 1] + width).toBeLessThanOrEqual(1100);
        expect(width).toBeGreaterThanOrEqual(139);
      }
    }
  });

  it("draws few lines, wherever it is scrolled to", () => {
    const layout = layOutCurves({ width: 1100, height: 700 }, { ...channels, runs: 2 });
    expect(layout.lines).toBeGreaterThan(100);
    for (const scrolled of [0, 1000, 1e9]) {
      const { first, last } = linesInSight(layout, Math.min(scrolled, layout.lines * layout.lineHeight - 700), 700);
      expect(last - first).toBeLessThan(12);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(last).toBeLessThan(layout.lines);
    }
  });

  it("makes few panels high", () => {
    const { height } = layOutCurves({ width: 1100, height: 700 }, { ...channels, items: 2, narrowest: 260, runs: 2 });
    expect(height).toBe(260);
  });
});
