import { describe, expect, it } from "vitest";
import { alongLog, dotsPath, logSquare, logTicks, nearestPlace } from "./log_square";

describe("a square of logarithms", () => {
  it("has all values within it, with some room", () => {
    const square = logSquare([2, 30, 500]);
    if (square === null) throw new Error("there is one");
    const places = [2, 30, 500].map((value) => alongLog(square, value));
    expect(places[0]).toBeCloseTo(0.08 / 1.16);
    expect(places[1]).toBeCloseTo((0.08 + Math.log(15) / Math.log(250)) / 1.16);
    expect(places[2]).toBeCloseTo(1.08 / 1.16);
  });

  it("does not make values look unlike that are nearly equal", () => {
    const square = logSquare([5, 5]);
    expect(square?.low).toBeCloseTo(2.5 / 4 ** 0.08);
    expect(square?.high).toBeCloseTo(10 * 4 ** 0.08);
  });

  it.each([[[]], [[0, 1]], [[Infinity]]])("is not there for %j", (values) => {
    expect(logSquare(values)).toBeNull();
  });

  it("has round numbers beside it", () => {
    expect(logTicks({ low: 0.9, high: 60 })).toEqual([1, 2, 5, 10, 20, 50]);
    expect(logTicks({ low: 0.5, high: 3000 })).toEqual([1, 10, 100, 1000]);
    expect(logTicks({ low: 1, high: 1e8 })).toEqual([1, 100, 1e4, 1e6, 1e8]);
  });

  it("draws dots, and finds them again", () => {
    const places = [
      { x: 0, y: 1 },
      { x: 0.25, y: 0.5 },
    ];
    expect(dotsPath(places, 1000)).toBe("M0 1000h0M250 500h0");
    expect(nearestPlace(places, { x: 0.2, y: 0.5 }, 0.1)).toBe(1);
    expect(nearestPlace(places, { x: 0.6, y: 0.5 }, 0.1)).toBeNull();
    expect(nearestPlace([], { x: 0, y: 0 }, 1)).toBeNull();
  });
});
