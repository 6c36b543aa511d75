import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { paintNow, paintSpaced } from "./spaced_painting";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("spaced painting", () => {
  it("paints the first at once and the last for certain", () => {
    const canvas = document.createElement("canvas");
    const painted: number[] = [];
    for (let frame = 0; frame < 7; frame++) {
      paintSpaced(canvas, () => painted.push(frame));
      vi.advanceTimersByTime(16);
    }
    expect(painted[0]).toBe(0);
    expect(painted.length).toBeLessThan(5);
    vi.advanceTimersByTime(100);
    expect(painted.at(-1)).toBe(6);
  });

  it("paints at once what may not wait, and forgets what did", () => {
    const canvas = document.createElement("canvas");
    const painted: string[] = [];
    paintSpaced(canvas, () => painted.push("first"));
    paintSpaced(canvas, () => painted.push("waiting"));
    paintNow(canvas, () => painted.push("now"));
    vi.advanceTimersByTime(100);
    expect(painted).toEqual(["first", "now"]);
  });

  it("keeps canvases apart", () => {
    const painted: string[] = [];
    for (const name of ["a", "b"]) paintSpaced(document.createElement("canvas"), () => painted.push(name));
    expect(painted).toEqual(["a", "b"]);
  });
});
