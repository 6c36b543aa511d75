import { describe, expect, it } from "vitest";
import { densityMap, rowsOver, sharesByRow } from "./density_map";

const fine = { exponent: -6, first_bin: -10, counts: [1, 2, 3, 4, 5] };
const coarse = { exponent: 0, first_bin: -1, counts: [3, 1] };

describe("rows of values", () => {
  const over = rowsOver([fine, coarse], "linear", 6);
  const width = (over.axis.high - over.axis.low) / over.rows;

  it("are a power of two high, and there are between 48 and 97 of them", () => {
    expect(Number.isInteger(Math.log2(width))).toBe(true);
    expect(over.rows).toBeGreaterThanOrEqual(48);
    expect(over.rows).toBeLessThan(98);
    expect(over.axis.low).toBeLessThanOrEqual(-1);
    expect(over.axis.high).toBeGreaterThanOrEqual(1);
  });

  it("hold every value once", () => {
    for (const histogram of [fine, coarse]) {
      expect(sharesByRow(histogram, over).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    }
  });

  it("share a wide bin evenly, and gather narrow ones", () => {
    const shares = sharesByRow(coarse, over);
    const half = over.rows / 2;
    expect(shares[0]).toBeCloseTo(0.75 / half, 6);
    expect(shares[half]).toBeCloseTo(0.25 / half, 6);
    // Bins of 2^-6 from −10·2^-6 on, by rows of 2^-5.
    const gathered = [3, 7, 5].map((count) => count / 15);
    const first = Math.floor((-10 / 64 - over.axis.low) / width);
    [...sharesByRow(fine, over).slice(first, first + 3)].forEach((share, i) => {
      expect(share).toBeCloseTo(gathered[i], 6);
    });
  });
});

describe("the picture", () => {
  it("has a column a step, large values at the top, and NaN where nothing is finite", () => {
    const over = rowsOver([coarse], "linear", 6);
    const picture = densityMap([coarse, null], over);
    expect([picture.width, picture.height]).toEqual([2, over.rows]);
    const column = (x: number) => Array.from({ length: over.rows }, (_, y) => picture.cells[y * 2 + x]);
    expect(column(0)).toEqual([...sharesByRow(coarse, over)].reverse());
    expect(column(1).every(Number.isNaN)).toBe(true);
  });
});
