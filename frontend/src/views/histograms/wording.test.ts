import { expect, test } from "vitest";
import { type BinAxis } from "../../drawing/bin_axis";
import { barAt } from "./pointing";
import { barText } from "./wording";

const axis: BinAxis = { kind: "linear", floor: 0, low: -1, high: 1 };
const bar = { low: -0.25, high: -0.125, count: 12, total: 48, finite: 48 };

test("a bar says of how many values it is, and of how many these are a sample", () => {
  expect(barText(bar, axis)).toBe("12 of 48 values (25%) from −0.25 to −0.125");
  expect(barText({ ...bar, finite: 96 }, axis)).toBe("12 of 48 values counted of 96 (25%) from −0.25 to −0.125");
  expect(barText(null, axis)).toBe("no values here");
});

test("of the finite values of a block, those that were counted are told apart", () => {
  const names = { direction: "forward", matrix: "", gate: "" };
  const histogram = { exponent: -1, first_bin: -1, counts: [6, 2] };
  const frame = (count: number) => ({ step: 0, block: { ...names, count, nan: 3, inf: 1 }, histogram });
  expect(barText(barAt(frame(12), { axis }, -0.2), axis)).toBe("6 of 8 values (75%) from −0.5 to 0");
  expect(barText(barAt(frame(84), { axis }, 0.2), axis)).toBe("2 of 8 values counted of 80 (25%) from 0 to 0.5");
});
