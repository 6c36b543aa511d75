import { describe, expect, it } from "vitest";
import { isUnrecorded, spreadNames, spreadNumbers, spreadOf, spreadText } from "./channel_norms";

const name = { direction: "forward", matrix: "kernel", gate: "input" };
const recorded = { ...name, nan: 0, inf: 0, l2_norm: 2, channel_norms: [0, 0.25, 0.5, 1, 3] };

describe("the norms of a gate's channels", () => {
  it("are read as they were written", () => {
    expect(spreadOf(recorded)).toEqual({ least: 0, low: 0.25, median: 0.5, high: 1, largest: 3 });
    expect(spreadText({ least: 0, low: 0.25, median: 0.5, high: 1, largest: 3 })).toBe(
      "median 0.5, 80% within 0.25 to 1, all within 0 to 3",
    );
    expect(spreadNumbers(recorded)).toEqual([0, 0.25, 0.5, 1, 3]);
  });

  it("are none where nothing is finite, or an older version wrote", () => {
    const none = { ...recorded, channel_norms: null };
    expect(spreadOf(none)).toBeNull();
    expect(spreadNumbers(none)).toEqual(spreadNames.map(() => null));
    expect(isUnrecorded(none)).toBe(true);
    // A NaN in every channel leaves the matrix a norm, and the channels none.
    expect(isUnrecorded({ ...none, nan: 8 })).toBe(false);
    expect(isUnrecorded({ ...none, l2_norm: null, inf: 40 })).toBe(false);
    expect(isUnrecorded(recorded)).toBe(false);
  });
});
