import { describe, expect, it } from "vitest";
import { measuredText, percentText } from "./number_text";

describe("what was measured", () => {
  it.each([
    [65536, "65536"],
    [12_345_678, "12345678"],
    [0, "0"],
    [1234.5, "1230"],
    [2 ** 100, "1.27e30"],
    [-65536, "\u221265500"],
    [Infinity, "Inf"],
  ])("of %d is written %s: a count to its last digit", (value, text) => {
    expect(measuredText(value, 3)).toBe(text);
  });
});

describe("a share in percent", () => {
  it.each([
    [0, "0%"],
    [3 / 10_000, "0.03%"],
    [1e-6, "<0.01%"],
    [0.0456, "4.6%"],
    [0.37, "37%"],
    [0.99996, "99.99%"],
    [1, "100%"],
  ])("of %d is written %s", (share, text) => {
    expect(percentText(share)).toBe(text);
  });
});
