import { describe, expect, it } from "vitest";
import { type Path, type Plane, timestepAt, traceCurve, xOf, yOf } from "./curves";
import { valueAxis } from "./value_axis";

/** Heights are as the values are: 0 at the bottom, 10 at the top. */
function plane(first: number, last: number, width: number): Plane {
  const scale = { kind: "linear" as const, decades: 6, limit: 10, low: 0, high: 10 };
  return { first, last, axis: valueAxis(scale, true), width, height: 104, inset: 2 };
}

class Record implements Path {
  readonly strokes: [number, number][][] = [];
  moveTo(x: number, y: number) {
    this.strokes.push([[x, y]]);
  }
  lineTo(x: number, y: number) {
    this.strokes.at(-1)?.push([x, y]);
  }
}

function strokes(values: number[], where: Plane, block = 1): [number, number][][] {
  const path = new Record();
  traceCurve(path, { values: Float32Array.from(values), block }, where);
  return path.strokes;
}

describe("a curve", () => {
  it("goes through every value at its timestep", () => {
    expect(strokes([0, 10, 5], plane(0, 2, 24))).toEqual([
      [
        [2, 102],
        [12, 2],
        [22, 52],
      ],
    ]);
  });

  it("has a gap at NaN and Inf, and a dash for a value alone between two", () => {
    const drawn = strokes([0, 0, NaN, 5, Infinity, 10, 10, -Infinity], plane(0, 7, 74));
    expect(drawn).toEqual([
      [
        [2, 102],
        [12, 102],
      ],
      [
        [30.5, 52],
        [33.5, 52],
      ],
      [
        [52, 2],
        [62, 2],
      ],
    ]);
    expect(strokes([NaN, NaN], plane(0, 1, 20))).toEqual([]);
    expect(strokes([5], plane(0, 0, 20))).toEqual([
      [
        [8.5, 52],
        [11.5, 52],
      ],
    ]);
  });

  it("runs on beyond the edge when zoomed in, and no further", () => {
    const values = Array.from({ length: 100 }, (_, i) => i / 10);
    const [line] = strokes(values, plane(40, 50, 104));
    expect(line[0]).toEqual([2, expect.closeTo(62, 4)]);
    expect(line).toHaveLength(11);
    const [pooled] = strokes(values.slice(0, 25), plane(40, 50, 104), 4);
    // Values stand for 4 timesteps each: those of 36–39 to 52–55 are needed.
    expect(pooled).toHaveLength(5);
    expect(pooled[0][0]).toBeLessThan(2);
    expect(pooled[4][0]).toBeGreaterThan(102);
  });

  it("keeps every extreme when there are more values than pixels", () => {
    const values = Array.from({ length: 5000 }, (_, i) => 5 + Math.sin(i));
    values[3001] = 10;
    values[1702] = 0;
    const where = plane(0, 4999, 104);
    const drawn = strokes(values, where);
    const points = drawn.flat();
    expect(points.length).toBeLessThan(4 * 104);
    const near = (value: number, at: number) =>
      points.some(([x, y]) => Math.abs(y - yOf(where, value)) < 1e-6 && Math.abs(x - xOf(where, at)) <= 1);
    expect(near(10, 3001)).toBe(true);
    expect(near(0, 1702)).toBe(true);
  });

  it("breaks at a NaN among more values than pixels", () => {
    const values = Array.from({ length: 5000 }, () => 5);
    expect(strokes(values, plane(0, 4999, 104))).toHaveLength(1);
    values[2500] = NaN;
    expect(strokes(values, plane(0, 4999, 104))).toHaveLength(2);
  });
});

describe("the timestep under a pixel", () => {
  it("is the one that is drawn nearest to it", () => {
    const where = plane(10, 30, 204);
    for (let timestep = 10; timestep <= 30; timestep++) {
      expect(timestepAt(where, xOf(where, timestep) + 4)).toBe(timestep);
    }
    expect([timestepAt(where, -50), timestepAt(where, 900)]).toEqual([10, 30]);
    expect(timestepAt(plane(0, 0, 20), 3)).toBe(0);
  });
});
