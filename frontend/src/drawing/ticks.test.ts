import { describe, expect, it } from "vitest";
import { colourMap } from "./colour_maps";
import { type Scale } from "./colour_scale";
import { indicesText, numberText } from "./number_text";
import { barTicks, indexTicks, rangeTicks } from "./ticks";

const symlog: Scale = { kind: "symlog", decades: 6, limit: 4.8e-3, low: -4.8e-3, high: 2e-3 };

describe("ticks of a colour bar", () => {
  it("stand at zero and at powers of ten, where the formula puts them", () => {
    const ticks = barTicks(symlog, colourMap("vik"), 0.05);
    expect(ticks.map(({ text }) => text)).toEqual([
      "\u22121e-3",
      "\u22121e-4",
      "\u22121e-5",
      "\u22121e-6",
      "\u22121e-7",
      "0",
      "+1e-7",
      "+1e-6",
      "+1e-5",
      "+1e-4",
      "+1e-3",
    ]);
    const c = 4.8e-3 * 1e-6;
    const expected = 0.5 + Math.log1p(1e-3 / c) / Math.log1p(1e6) / 2;
    expect(ticks.at(-1)?.position).toBeCloseTo(expected, 9);
    expect(ticks[5].position).toBe(0.5);
  });

  it("keep their distance", () => {
    for (const kind of ["symlog", "linear", "log"] as const) {
      for (const name of ["vik", "cividis"] as const) {
        const places = barTicks({ ...symlog, kind }, colourMap(name), 0.12).map(({ position }) => position);
        expect(places.length).toBeGreaterThan(1);
        places.slice(1).forEach((place, i) => {
          expect(place - places[i]).toBeGreaterThanOrEqual(0.12 - 1e-9);
        });
        expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...places)).toBeLessThanOrEqual(1);
      }
    }
  });

  it("of a narrow range have as many digits as tell them apart", () => {
    const narrow: Scale = { kind: "linear", decades: 6, limit: 1.0001, low: 0.9999, high: 1.0001 };
    const texts = (name: "cividis" | "vik") =>
      barTicks({ ...narrow, range: true }, colourMap(name), 0.05).map(({ text }) => text);
    expect(texts("cividis")).toEqual(["0.9999", "0.99995", "1", "1.00005", "1.0001"]);
    expect(texts("vik")).toEqual(["+0.9999", "+0.99995", "+1", "+1.00005", "+1.0001"]);
  });

  it("say only zero when everything is zero", () => {
    expect(barTicks({ ...symlog, limit: 0, low: 0, high: 0 }, colourMap("vik"), 0.1)).toEqual([
      { position: 0.5, text: "0" },
    ]);
  });

  it.each([
    ["symlog", "cividis", 0],
    ["log", "cividis", 0],
    // The upper half of the map is the whole bar.
    ["log", "vik", 0],
    ["linear", "vik", 0.5],
    // A range without an extent is drawn in the middle colour.
    ["linear", "cividis", 0.5],
  ] as const)("of zeros alone, %s on %s, say so at their colour", (kind, name, position) => {
    const zeros: Scale = { ...symlog, kind, limit: 0, low: 0, high: 0 };
    expect(barTicks(zeros, colourMap(name), 0.1)).toEqual([{ position, text: "0" }]);
  });
});

describe("ticks along a side", () => {
  it("are round numbers, and the last where there is room", () => {
    expect(indexTicks(80, 240, 55)).toEqual([0, 20, 40, 60, 79]);
    expect(indexTicks(1000, 1000, 55)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999]);
    expect(indexTicks(3, 300, 55)).toEqual([0, 1, 2]);
    expect(indexTicks(1, 20, 55)).toEqual([0]);
  });
});

describe("numbers", () => {
  it("are written with U+2212 and no more digits than asked for", () => {
    expect(numberText(-3.2145e-6)).toBe("\u22123.2145e-6");
    expect(numberText(-0.00123456, 2)).toBe("\u22120.0012");
    expect(numberText(1.5)).toBe("1.5");
    expect(numberText(1.5e7)).toBe("1.5e7");
    expect(numberText(-Infinity)).toBe("\u2212Inf");
    expect(numberText(NaN)).toBe("NaN");
    expect(numberText(0)).toBe("0");
  });

  it("are joined into ranges", () => {
    expect(indicesText([0, 1, 2, 5])).toBe("0\u20132, 5");
    expect(indicesText([3])).toBe("3");
  });
});

describe("numbers along a part of a side", () => {
  it("are round, with the ends where there is room", () => {
    // 37 would run into 40.
    expect(rangeTicks(37, 93, 560, 100)).toEqual([40, 60, 80, 93]);
    expect(rangeTicks(31, 90, 560, 100)).toEqual([31, 40, 60, 80, 90]);
    expect(rangeTicks(4, 7, 400, 55)).toEqual([4, 5, 6, 7]);
    expect(rangeTicks(5, 5, 400, 55)).toEqual([5]);
  });
});
