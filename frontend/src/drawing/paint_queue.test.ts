import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetPainting, paintSoon } from "./paint_queue";

let frames: (() => void)[] = [];
const painted: string[] = [];

function runFrame(): void {
  const now = frames;
  frames = [];
  for (const frame of now) frame();
}

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => frames.push(callback));
  painted.length = 0;
});

afterEach(() => {
  while (frames.length > 0) runFrame();
  vi.unstubAllGlobals();
});

function ask(name: string, points: number, canvas = document.createElement("canvas")): HTMLCanvasElement {
  paintSoon(canvas, points, () => painted.push(name));
  return canvas;
}

describe("painting", () => {
  it("is done at once while there is little of it", () => {
    for (const name of ["a", "b", "c"]) ask(name, 1000);
    expect(painted).toEqual(["a", "b", "c"]);
  });

  it("waits for the next frames once there is much, in order, and leaves nothing out", () => {
    const names = Array.from({ length: 10 }, (_, i) => String(i));
    for (const name of names) ask(name, 5000);
    expect(painted).toEqual(["0", "1"]);
    runFrame();
    expect(painted).toEqual(["0", "1", "2", "3"]);
    while (frames.length > 0) runFrame();
    expect(painted).toEqual(names);
  });

  it("paints what is too much for a frame in one of its own", () => {
    ask("huge", 1_000_000);
    ask("next", 1);
    expect(painted).toEqual(["huge"]);
    runFrame();
    expect(painted).toEqual(["huge", "next"]);
  });

  it("paints a canvas as it was asked last, and not at all once it is gone", () => {
    ask("fill", 13_000);
    const canvas = ask("old", 10);
    ask("new", 10, canvas);
    const gone = ask("gone", 10);
    forgetPainting(gone);
    while (frames.length > 0) runFrame();
    expect(painted).toEqual(["fill", "new"]);
  });
});
