import { expect, test } from "vitest";
import { type BinAxis } from "../../drawing/bin_axis";
import { barText } from "./wording";

const axis: BinAxis = { kind: "linear", floor: 0, low: -1, high: 1 };
const bar = { low: -0.25, high: -0.125, count: 12, total: 48, finite: 48 };

test("a bar says of how many values it is, and of how many these are a sample", () => {
  expect(barText(bar, axis)).toBe("12 of 48 values (25%) from −0.25 to −0.125");
  expect(barText({ ...bar, finite: 96 }, axis)).toBe("12 of 48 values counted of 96 (25%) from −0.25 to −0.125");
  expect(barText(null, axis)).toBe("no values here");
});
