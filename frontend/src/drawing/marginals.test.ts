import { describe, expect, it } from "vitest";
import { type CellArray } from "./cell_array";
import { barLength, marginalsOf } from "./marginals";
import { arrange } from "./picture";

const scale = { kind: "linear" as const, decades: 6, limit: 2, low: -2, high: 2 };

function arrayOf(rows: number, columns: number, split: number | null): CellArray {
  const span = { rowSpan: [0, rows - 1] as const, columnSpan: [0, columns - 1] as const };
  const blocks = { rowBlock: 1, columnBlock: 1, fullRows: rows, fullColumns: columns };
  return { cells: new Float32Array(rows * columns), rows, columns, ...span, ...blocks, split, reflected: false };
}

const plain = { transposed: true, boundary: null, reflected: false, sight: null, maxWidth: 99, maxHeight: 99 };

describe("mean magnitudes beside a picture", () => {
  it("stand at the pixels of their rows and columns, in the picture's time", () => {
    const marginals = Float32Array.of(1, 2, 3, 10, 20, 30, 5, 6, 7, 8);
    const picture = arrange(arrayOf(3, 4, 2), { ...plain, boundary: 2, reflected: true });
    const { alongRows, alongColumns } = marginalsOf({ marginals, rows: 3, columns: 4 }, picture);
    expect(alongRows.map((values) => [...values])).toEqual([
      [1, 2, 3],
      [30, 20, 10],
    ]);
    expect([...alongColumns]).toEqual([5, 6, 7, 8]);
  });

  it("are cut to what is in sight", () => {
    const marginals = Float32Array.of(1, 2, 3, 10, 20, 30, 5, 6, 7, 8);
    const sight = { rows: [1, 2] as const, columns: [2, 3] as const };
    const picture = arrange(arrayOf(3, 4, 2), { ...plain, boundary: 2, sight });
    const { alongRows, alongColumns } = marginalsOf({ marginals, rows: 3, columns: 4 }, picture);
    expect(alongRows.map((values) => [...values])).toEqual([[20, 30]]);
    expect([...alongColumns]).toEqual([7, 8]);
  });

  it("are means of what is there where the picture pools, NaN where nothing is", () => {
    const marginals = Float32Array.of(1, 3, NaN, 5, NaN, NaN, 9, 9);
    const picture = arrange(arrayOf(6, 2, null), { ...plain, maxWidth: 3 });
    const { alongRows } = marginalsOf({ marginals, rows: 6, columns: 2 }, picture);
    expect([...alongRows[0]]).toEqual([2, 5, NaN]);
  });

  it("are as long as the scale says", () => {
    expect(barLength(scale, 1)).toBe(0.5);
    expect(barLength(scale, 3)).toBe(1);
    expect(barLength(scale, NaN)).toBe(0);
    expect(barLength({ ...scale, kind: "log", limit: 1 }, 1e-3)).toBeCloseTo(0.5, 9);
  });
});
