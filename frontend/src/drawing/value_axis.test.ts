import { describe, expect, it } from "vitest";
import { type Scale, type ScaleKind } from "./colour_scale";
import { axisTicks, heightOf, valueAxis } from "./value_axis";

function scale(kind: ScaleKind, low: number, high: number, decades = 4): Scale {
  return { kind, decades, limit: Math.max(Math.abs(low), Math.abs(high)), low, high };
}

describe("a vertical axis", () => {
  it("reaches from the smallest to the largest value, and to zero where that is wanted", () => {
    const linear = valueAxis(scale("linear", 0.9, 1), false);
    expect([0.9, 0.95, 1].map((value) => heightOf(linear, value))).toEqual([
      expect.closeTo(0, 9),
      expect.closeTo(0.5, 9),
      expect.closeTo(1, 9),
    ]);
    const withZero = valueAxis(scale("linear", 0.9, 1), true);
    expect([0, 0.5, 1].map((value) => heightOf(withZero, value))).toEqual([0, 0.5, 1]);
    const below = valueAxis(scale("linear", -8, -2), true);
    expect([-8, -4, 0].map((value) => heightOf(below, value))).toEqual([0, 0.5, 1]);
  });

  it("is symmetric where the scale's ends are, in decades of the same height", () => {
    const axis = valueAxis(scale("symlog", -1, 1, 6), true);
    expect(heightOf(axis, 0)).toBeCloseTo(0.5, 9);
    const heights = [1e-3, 1e-2, 1e-1, 1].map((value) => heightOf(axis, value));
    // By the formula of colour_scale.ts, here with its numbers: c = 1e-6.
    const expected = [1e-3, 1e-2, 1e-1, 1].map((value) => 0.5 + Math.log1p(value * 1e6) / Math.log1p(1e6) / 2);
    heights.forEach((height, i) => {
      expect(height).toBeCloseTo(expected[i], 9);
    });
    const log = valueAxis(scale("log", -1, 0.5, 4), true);
    expect([1, 1e-2, -1e-2, 1e-4, 0].map((value) => heightOf(log, value))).toEqual([1, 0.5, 0.5, 0, 0]);
  });

  it("puts values that are all equal in the middle", () => {
    for (const value of [0, 7, -7]) {
      expect(heightOf(valueAxis(scale("linear", value, value), false), value)).toBe(0.5);
    }
  });

  it("writes a value that all have where it lies, and no other number there", () => {
    for (const value of [0.25, -3, 1e-40]) {
      const axis = valueAxis(scale("linear", value, value), false);
      const ticks = axisTicks(axis, 0.1);
      expect(ticks.find(({ position }) => position === 0.5)?.text).toBe(
        { "0.25": "0.25", "-3": "\u22123", "1e-40": "1e-40" }[String(value)],
      );
      // The axis ends at the value: beyond it there is nothing to be written.
      for (const { position } of ticks) expect(value > 0 ? position <= 0.5 : position >= 0.5).toBe(true);
    }
  });

  it("writes zero where zeros alone run, on every scale", () => {
    for (const [kind, height] of [
      ["linear", 0.5],
      ["symlog", 0.5],
      ["log", 0],
    ] as const) {
      const axis = valueAxis(scale(kind, 0, 0), true);
      expect(heightOf(axis, 0)).toBe(height);
      expect(axisTicks(axis, 0.1)).toEqual([{ position: height, text: "0" }]);
    }
  });

  it("has round numbers with as many digits as tell them apart", () => {
    const texts = (low: number, high: number) =>
      axisTicks(valueAxis(scale("linear", low, high), false), 0.1).map(({ text }) => text);
    expect(texts(-1, 1)).toEqual(["\u22121", "\u22120.5", "0", "0.5", "1"]);
    const narrow = texts(0.99991, 0.99999);
    expect(new Set(narrow).size).toBe(narrow.length);
    expect(narrow.length).toBeGreaterThan(2);
    expect(texts(0, 0)).toEqual(["0"]);
  });

  it("has zero and powers of ten, none upon another and all within", () => {
    const ticks = axisTicks(valueAxis(scale("symlog", -3e-4, 2e-2, 6), true), 0.08);
    expect(ticks.map(({ text }) => text)).toContain("0");
    expect(ticks.map(({ text }) => text)).toContain("1e-2");
    ticks.slice(1).forEach(({ position }, i) => {
      expect(position - ticks[i].position).toBeGreaterThanOrEqual(0.08);
      expect(position).toBeLessThanOrEqual(1);
    });
    expect(axisTicks(valueAxis(scale("log", -1, 1, 3), true), 0.1).map(({ text }) => text)).toEqual([
      "1e-3",
      "1e-2",
      "1e-1",
      "1",
    ]);
  });
});
