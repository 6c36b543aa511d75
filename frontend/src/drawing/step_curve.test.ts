import { describe, expect, it } from "vitest";
import { alongSteps, curvePath } from "./step_curve";

const x = (step: number) => step * 10;
const y = (value: number) => 100 - value;

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
