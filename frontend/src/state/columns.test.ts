import { describe, expect, it } from "vitest";
import { stepsOfDifference, stepText } from "./columns";

function textOf(one: [string, number], other: [string, number]): string {
  const [first, second] = [one, other].map(([run, step]) => ({ run, step }));
  return stepText(stepsOfDifference(first, second));
}

describe("the steps of a difference", () => {
  it("are said once where two runs have the same", () => {
    expect(textOf(["a", 30], ["b", 30])).toBe("step 30");
    expect(textOf(["a", 30], ["b", 28])).toBe("step 30 \u2212 step 28");
  });

  it("are both said of one run, even where they are the same: else its zeros would look like its values", () => {
    expect(textOf(["a", 30], ["a", 0])).toBe("step 30 \u2212 step 0");
    expect(textOf(["a", 30], ["a", 30])).toBe("step 30 \u2212 step 30");
  });
});
