import { describe, expect, it } from "vitest";
import { thinnedSteps, withStep } from "./step_choice";

const steps = Array.from({ length: 1000 }, (_, i) => 10 * i);

describe("steps that are drawn together", () => {
  it("are all of them when they are few", () => {
    expect(thinnedSteps([0, 5, 9], 16)).toEqual([0, 5, 9]);
  });

  it("are evenly thinned, the last one included", () => {
    const thinned = thinnedSteps(steps, 128);
    expect(thinned.length).toBeLessThanOrEqual(129);
    expect(thinned.slice(0, 3)).toEqual([0, 80, 160]);
    expect(thinned.at(-1)).toBe(9990);
  });

  it("stay the same as the run goes on, so that none is fetched twice", () => {
    const before = thinnedSteps(steps.slice(0, 700), 128).slice(0, -1);
    const later = thinnedSteps(steps.slice(0, 900), 128);
    expect(before.every((step) => later.includes(step))).toBe(true);
  });

  it("hold the step that is looked at", () => {
    expect(withStep([0, 80, 160], steps, 31)).toEqual([0, 30, 80, 160]);
    expect(withStep([0, 80, 160], steps, 79)).toEqual([0, 80, 160]);
    expect(withStep([0, 80], steps, null)).toEqual([0, 80]);
  });
});
