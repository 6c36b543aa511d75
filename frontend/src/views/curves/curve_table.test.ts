import { describe, expect, it } from "vitest";
import { type LoadedArray } from "../../state/arrays";
import { curveTable } from "./curve_table";

function array(cells: Float32Array | Uint16Array, shape: [number, number]): LoadedArray {
  return { cells, shape } as LoadedArray;
}

describe("the curves of an array", () => {
  // Timesteps × channels; the last channel holds nothing finite.
  const cells = Float32Array.of(1, -2, NaN, 3, 4, Infinity, -5, NaN, -Infinity, 0, Infinity, NaN);
  const table = curveTable(array(cells, [4, 3]));

  it("are its columns, the first channel first", () => {
    expect(table.curves.map((curve) => [...curve])).toEqual([
      [1, 3, -5, 0],
      [-2, 4, NaN, Infinity],
      [NaN, Infinity, -Infinity, NaN],
    ]);
  });

  it("have limits of what is finite, and count the rest", () => {
    expect([...table.low]).toEqual([-5, -2, NaN]);
    expect([...table.high]).toEqual([3, 4, NaN]);
    expect([...table.nan]).toEqual([0, 1, 2]);
    expect([...table.inf]).toEqual([0, 1, 2]);
  });

  it("are read from bfloat16 too", () => {
    const upper = new Uint16Array(Float32Array.of(1.5, -2, NaN, 0).buffer).filter((_, i) => i % 2 === 1);
    const rounded = curveTable(array(upper, [2, 2]));
    expect(rounded.curves.map((curve) => [...curve])).toEqual([
      [1.5, NaN],
      [-2, 0],
    ]);
  });
});
