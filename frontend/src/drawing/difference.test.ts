import { describe, expect, it } from "vitest";
import { subtracted } from "./difference";

describe("difference of two arrays", () => {
  it("is rounded to float32 once", () => {
    const one = Float32Array.of(0.1, 1, 1e-38, 3e38);
    const other = Float32Array.of(0.3, 1e-8, 1e-39, -3e38);
    const expected = [0.1, 1, 1e-38].map((value, i) =>
      Math.fround(Math.fround(value) - Math.fround([0.3, 1e-8, 1e-39][i])),
    );
    const found = subtracted(one, other);
    expect([...found.cells].slice(0, 3)).toEqual(expected);
    // Too large for a float32.
    expect(found.cells[3]).toBe(Infinity);
    expect([found.nan, found.inf]).toEqual([0, 1]);
  });

  it("counts what is not finite", () => {
    const one = Float32Array.of(NaN, Infinity, Infinity, -Infinity, 1);
    const other = Float32Array.of(1, Infinity, 1, 5, 2);
    const found = subtracted(one, other);
    expect([...found.cells]).toEqual([NaN, NaN, Infinity, -Infinity, -1]);
    expect([found.nan, found.inf]).toEqual([2, 2]);
  });

  it("takes bfloat16 too", () => {
    // 0x3f80 is 1, 0x4000 is 2.
    expect([...subtracted(Uint16Array.of(0x4000), Float32Array.of(0.5)).cells]).toEqual([1.5]);
    expect([...subtracted(Uint16Array.of(0x3f80), Uint16Array.of(0x4000)).cells]).toEqual([-1]);
  });
});
