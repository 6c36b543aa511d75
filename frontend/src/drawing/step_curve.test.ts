import { describe, expect, it } from "vitest";
import { alongSteps, bandPath, curvePath } from "./step_curve";

const x = (step: number) => step * 10;
const y = (value: number) => 100 - value;

describe("a band over steps", () => {
  it("goes along its upper ends and back along its lower ones", () => {
    const spans = [
      { step: 0, span: [1, 2] as const },
      { step: 5, span: [3, 9] as const },
    ];
    expect(bandPath(spans, x, y)).toBe("M0 98L50 91L50 97L0 99Z");
  });

  it("has a gap where there is none, and keeps a step that stands alone", () => {
    const spans = [null, [1, 2] as const, null, null, [3, 4] as const, [5, 6] as const].map((span, step) => ({
      step,
      span,
    }));
    expect(bandPath(spans, x, y)).toBe("M10 98L10 99ZM40 96L50 94L50 95L40 97Z");
    expect(bandPath([{ step: 0, span: null }], x, y)).toBe("");
  });
});

describe("a curve over steps", () => {
  it("joins its points", () => {
    const points = [
      { step: 0, value: 1 },
      { step: 5, value: 3 },
    ];
    expect(curvePath(points, x, y)).toBe("M0 99L50 97");
  });

  it("has a gap where there is no number, and keeps a point that stands alone", () => {
    const points = [1, null, 2, null, 3, 4].map((value, step) => ({ step, value }));
    expect(curvePath(points, x, y)).toBe("M0 99h0M20 98h0M40 97L50 96");
  });

  it("lies in the middle when there is one step only", () => {
    expect(alongSteps(7, 7, 7)).toBe(0.5);
    expect(alongSteps(25, 0, 100)).toBe(0.25);
  });
});
