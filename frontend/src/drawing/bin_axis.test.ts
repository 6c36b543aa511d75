import { describe, expect, it } from "vitest";
import { axisTicks, type BinAxis, fractionOf, placeOf, valueAtPlace } from "./bin_axis";

const linear: BinAxis = { kind: "linear", floor: 0, low: -0.5, high: 1.5 };
const symlog: BinAxis = { kind: "symlog", floor: -10, low: -8, high: 8 };
const log: BinAxis = { kind: "log", floor: -10, low: 0, high: 8 };

describe("a value's place", () => {
  it("is itself on a linear axis, and an octave a unit on the others", () => {
    expect(placeOf(linear, 0.25)).toBe(0.25);
    expect(placeOf(symlog, 2 ** -10)).toBe(1);
    expect(placeOf(symlog, -(2 ** -7))).toBe(-4);
    expect(placeOf(symlog, 2 ** -11)).toBe(0.5);
    expect(placeOf(symlog, 0)).toBe(0);
    expect(placeOf(log, -(2 ** -7))).toBe(4);
  });

  it("leads back to the value", () => {
    for (const value of [-0.3, -1e-3, -1e-5, 0, 1e-4, 0.02]) {
      expect(valueAtPlace(symlog, placeOf(symlog, value))).toBeCloseTo(value, 12);
      expect(valueAtPlace(linear, placeOf(linear, value))).toBe(value);
    }
  });
});

describe("ticks", () => {
  it("are round numbers on a linear axis", () => {
    expect(axisTicks(linear, 0.19)).toEqual([
      { fraction: 0, text: "\u22120.5" },
      { fraction: 0.25, text: "0" },
      { fraction: 0.5, text: "0.5" },
      { fraction: 0.75, text: "1" },
      { fraction: 1, text: "1.5" },
    ]);
  });

  it("have as many digits as tell them apart, and never the same text twice", () => {
    const texts = (low: number, high: number) =>
      axisTicks({ kind: "linear", floor: 0, low, high }, 0.19).map(({ text }) => text);
    expect(texts(0.9999, 1.0001)).toEqual(["0.9999", "0.99995", "1", "1.00005", "1.0001"]);
    // Values that are all equal fill a bin of 2^-31.
    expect(texts(0.25, 0.25 + 2 ** -31)).toEqual(["0.25"]);
  });

  it("are zero and powers of ten on the others, each at its place", () => {
    const ticks = axisTicks(symlog, 0.1);
    expect(ticks.map(({ text }) => text)).toEqual(["\u22121e-1", "\u22121e-2", "0", "1e-2", "1e-1"]);
    for (const [text, value] of [["1e-2", 0.01] as const, ["\u22121e-1", -0.1] as const]) {
      const tick = ticks.find((one) => one.text === text);
      expect(tick?.fraction).toBeCloseTo(fractionOf(symlog, placeOf(symlog, value)), 12);
    }
    expect(axisTicks(log, 0.1)[0]).toEqual({ fraction: 0, text: "0" });
  });

  it("never lie closer than asked for", () => {
    for (const apart of [0.05, 0.2, 0.4]) {
      const places = axisTicks(symlog, apart).map(({ fraction }) => fraction);
      for (let i = 1; i < places.length; i++) expect(places[i] - places[i - 1]).toBeGreaterThanOrEqual(apart - 1e-9);
    }
  });

  it("are zero alone where there is nothing but zero", () => {
    expect(axisTicks({ kind: "symlog", floor: 0, low: -1, high: 1 }, 0.1)).toEqual([{ fraction: 0.5, text: "0" }]);
  });
});
