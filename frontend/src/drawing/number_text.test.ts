import { describe, expect, it } from "vitest";
import { percentText } from "./number_text";

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
