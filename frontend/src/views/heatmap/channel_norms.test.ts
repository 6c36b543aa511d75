import { describe, expect, it } from "vitest";
import { arrange } from "../../drawing/picture";
import { normsOf } from "./channel_norms";

function picture(maxWidth: number, first = 0, last = 5) {
  const array = {
    cells: new Float32Array(12),
    rows: 2,
    columns: 6,
    rowBlock: 1,
    columnBlock: 1,
    fullRows: 2,
    fullColumns: 6,
    rowSpan: [0, 1] as const,
    columnSpan: [0, 5] as const,
    split: null,
    reflected: false,
  };
  const sight = { rows: [0, 1] as const, columns: [first, last] as const };
  return arrange(array, { transposed: false, boundary: null, reflected: false, sight, maxWidth, maxHeight: 9 });
}

const norms = { channel_norms: Float32Array.of(1, 4, 2, NaN, 3, 0) };

describe("the norms above a matrix", () => {
  it("are one for each pixel across, as far as it is in sight", () => {
    expect([...normsOf(norms, picture(6))]).toEqual([1, 4, 2, NaN, 3, 0]);
    expect([...normsOf(norms, picture(6, 1, 2))]).toEqual([4, 2]);
  });

  it("are the largest of what a pixel stands for; one that is not finite is seen", () => {
    expect([...normsOf(norms, picture(3))]).toEqual([4, NaN, 3]);
  });

  it("are none where none are known", () => {
    expect([...normsOf({ channel_norms: null }, picture(6))]).toEqual([]);
  });
});
