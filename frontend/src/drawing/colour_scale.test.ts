import { describe, expect, it } from "vitest";
import { colourMap, colourMapNames, hexOf } from "./colour_maps";
import {
  colourTable,
  isTableTooCoarse,
  level,
  place,
  position,
  type Scale,
  scaleKinds,
  usedPositions,
  valueAt,
} from "./colour_scale";
import { paintCells } from "./heatmap";
import { barTicks } from "./ticks";

function scaleOf(kind: Scale["kind"], limit = 1.2e-3, low = -limit, high = limit): Scale {
  return { kind, decades: 6, limit, low, high };
}

/** Values of every size and both signs, as float32. */
const values = Float32Array.from(
  Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 1.2e-3 * 10 ** (-i / 40) * (1 + (i % 7) / 100)),
);

/** The formula of the documentation, written out once more. */
function expectedLevel(kind: Scale["kind"], diverging: boolean, v: number): number {
  const limit = 1.2e-3;
  let t: number;
  if (kind === "linear") t = v / limit;
  else if (kind === "log") t = Math.max(0, 1 + Math.log10(Math.abs(v) / limit) / 6);
  else t = (Math.sign(v) * Math.log(1 + Math.abs(v) / (limit * 1e-6))) / Math.log(1 + 1e6);
  t = Math.min(1, Math.max(-1, t));
  if (kind === "linear" && !diverging) return Math.min(255, Math.floor((256 * (v + limit)) / (2 * limit)));
  return Math.min(255, Math.floor(256 * (diverging ? (1 + t) / 2 : Math.abs(t))));
}

describe("without signs", () => {
  it.each(scaleKinds)("a value has the colour of its magnitude on %s", (kind) => {
    for (const name of ["vik", "cividis"] as const) {
      const map = colourMap(name);
      const scale = { ...scaleOf(kind, 1.2e-3, 0, 1.2e-3), absolute: true };
      const table = colourTable(scale, map);
      for (const half of [0, 0x3a00, 0x3980, 0x3a9d]) expect(table[half]).toBe(table[half | 0x8000]);
      expect(level(scale, map, -1.2e-3)).toBe(255);
      // A diverging map keeps zero in its middle, and only its upper half is used.
      expect(position(scale, map, 0)).toBe(map.diverging ? 0.5 : 0);
      expect(usedPositions(scale, map)).toEqual(map.diverging ? [0.5, 1] : [0, 1]);
      const [start] = usedPositions(scale, map);
      expect(barTicks(scale, map, 0.1).every((tick) => tick.position >= 0 && !/[+\u2212]/.test(tick.text))).toBe(true);
      expect(valueAt(scale, map, start)).toBeGreaterThanOrEqual(0);
    }
  });
});

describe("colour of a value", () => {
  for (const kind of scaleKinds) {
    for (const name of ["vik", "cividis"] as const) {
      it(`follows the formula for ${kind} on ${name}, the table to one level`, () => {
        const map = colourMap(name);
        const scale = scaleOf(kind);
        const table = colourTable(scale, map);
        const halves = new Uint16Array(values.buffer);
        const levelOfColour = new Map(Array.from(map.colours, (colour, i) => [colour, i]));
        values.forEach((value, i) => {
          const wanted = expectedLevel(kind, map.diverging, Math.max(-1.2e-3, Math.min(1.2e-3, value)));
          expect(Math.abs(level(scale, map, value) - wanted)).toBeLessThanOrEqual(value === 0 ? 0 : 1);
          const drawn = levelOfColour.get(table[halves[2 * i + 1]]) ?? -99;
          expect(Math.abs(drawn - level(scale, map, value))).toBeLessThanOrEqual(1);
        });
      });
    }
  }

  it("puts zero at the centre of a diverging map and clamps beyond the limit", () => {
    const map = colourMap("vik");
    const scale = scaleOf("symlog");
    expect(level(scale, map, 0)).toBe(128);
    expect(level(scale, map, 1)).toBe(255);
    expect(level(scale, map, -1)).toBe(0);
    expect(level(scaleOf("symlog", 0), map, 0)).toBe(128);
  });

  it("gives NaN and either Inf a colour of their own", () => {
    for (const name of colourMapNames) {
      const map = colourMap(name);
      const table = colourTable(scaleOf("symlog"), map);
      const halves = new Uint16Array(new Float32Array([NaN, Infinity, -Infinity]).buffer);
      const drawn = [1, 3, 5].map((at) => hexOf(table[halves[at]]));
      expect(drawn).toEqual([map.special.nan, map.special.positiveInfinity, map.special.negativeInfinity]);
      expect(drawn[0]).toBe(["cividis", "grey"].includes(name) ? "#ff00ff" : "#00ff00");
      for (const colour of drawn) expect([...map.colours].map(hexOf)).not.toContain(colour);
      expect(table.includes(0)).toBe(false);
    }
  });

  it("computes a narrow linear range instead of looking it up", () => {
    const map = colourMap("cividis");
    const scale = scaleOf("linear", 1, 0.9, 1);
    expect(isTableTooCoarse(scale, map)).toBe(true);
    expect(isTableTooCoarse(scaleOf("linear", 1, 0, 1), map)).toBe(false);
    const cells = Float32Array.from({ length: 200 }, (_, i) => 0.9 + i / 2000);
    const out = new Uint32Array(200);
    paintCells(cells, { scale, map }, out);
    cells.forEach((value, i) => {
      expect(out[i]).toBe(map.colours[Math.max(0, Math.min(255, Math.floor((256 * (value - 0.9)) / (1 - 0.9))))]);
    });
  });

  it.each(scaleKinds)("computes a %s scale that tells denormal numbers apart", (kind) => {
    const map = colourMap("vik");
    const limit = 2e-40;
    const scale: Scale = { kind, decades: 2, limit, low: -limit, high: limit };
    expect(isTableTooCoarse(scale, map)).toBe(true);
    expect(isTableTooCoarse({ ...scale, limit: 1e-3, low: -1e-3, high: 1e-3 }, map)).toBe(false);
    const cells = Float32Array.from({ length: 100 }, (_, i) => (i / 99) * limit);
    const out = new Uint32Array(100);
    paintCells(cells, { scale, map }, out);
    const c = limit / 100;
    const placeOf = {
      symlog: (value: number) => Math.log1p(value / c) / Math.log1p(100),
      linear: (value: number) => value / limit,
      log: (value: number) => (value === 0 ? 0 : Math.max(0, 1 + Math.log10(value / limit) / 2)),
    }[kind];
    cells.forEach((value, i) => {
      const wanted = Math.floor((256 * (1 + Math.min(1, placeOf(value)))) / 2);
      expect(out[i]).toBe(map.colours[Math.min(255, wanted)]);
    });
  });

  it("paints a bfloat16 like the float32 that it is the upper half of", () => {
    const colouring = { scale: scaleOf("symlog"), map: colourMap("berlin") };
    const exact = new Uint32Array(values.length);
    const rounded = new Uint32Array(values.length);
    const halves = new Uint16Array(values.buffer);
    paintCells(values, colouring, exact);
    paintCells(
      Uint16Array.from(values, (_, i) => halves[2 * i + 1]),
      colouring,
      rounded,
    );
    expect(rounded).toEqual(exact);
    expect(new Set(exact).size).toBeGreaterThan(100);
  });

  it("names the value at each position of the bar", () => {
    for (const kind of scaleKinds) {
      for (const name of ["vik", "cividis"] as const) {
        const map = colourMap(name);
        for (const p of [0.55, 0.75, 1]) {
          expect(position(scaleOf(kind), map, valueAt(scaleOf(kind), map, p))).toBeCloseTo(p, 9);
        }
      }
    }
    expect(place(scaleOf("symlog"), 1.2e-3)).toBe(1);
  });
});

describe("colour maps", () => {
  it("have the published ends and centres", () => {
    const ends = (name: (typeof colourMapNames)[number]) => [0, 255].map((i) => hexOf(colourMap(name).colours[i]));
    expect(ends("vik")).toEqual(["#001261", "#590008"]);
    expect(ends("berlin")).toEqual(["#9eb0ff", "#ffadad"]);
    expect(ends("RdBu")).toEqual(["#053061", "#67001f"]);
    expect(ends("bwr")).toEqual(["#0000ff", "#ff0000"]);
    expect(ends("cividis")).toEqual(["#00224e", "#fee838"]);
  });
});
