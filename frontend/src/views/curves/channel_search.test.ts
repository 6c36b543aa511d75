import { describe, expect, it } from "vitest";
import { findChannels } from "./channel_search";

const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe("the channel search", () => {
  it("finds numbers and ranges, each channel once and in order", () => {
    expect(findChannels("0-15, 40", 512)).toEqual({ channels: [...upTo(0, 15), 40], complaint: "" });
    expect(findChannels("40 3;7", 512).channels).toEqual([3, 7, 40]);
    expect(findChannels("5\u20132, 4", 512).channels).toEqual([2, 3, 4, 5]);
    expect(findChannels(" 8 - 10 , 1", 512).channels).toEqual([1, 8, 9, 10]);
    expect(findChannels("0", 1).channels).toEqual([0]);
  });

  it("is all channels when nothing is typed", () => {
    expect(findChannels("  ", 4)).toEqual({ channels: [0, 1, 2, 3], complaint: "" });
    expect(findChannels(",", 2).channels).toEqual([0, 1]);
  });

  it("says what it cannot use, and uses the rest", () => {
    expect(findChannels("3, forward", 8)).toEqual({
      channels: [3],
      complaint: "\u201cforward\u201d is no channel: write numbers and ranges, as in 0-15, 40.",
    });
    expect(findChannels("8", 8)).toEqual({ channels: [], complaint: "There is no channel 8: the last is 7." });
    expect(findChannels("6-100", 8).channels).toEqual([6, 7]);
    expect(findChannels("-3", 8).complaint).toContain("-3");
    // Until the arrays have come there are none; that is no fault of the text.
    expect(findChannels("3", 0)).toEqual({ channels: [], complaint: "" });
  });
});
