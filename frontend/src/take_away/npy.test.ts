import { describe, expect, it } from "vitest";
import { npyOf } from "./npy";
import { type Table } from "./table";

/** The parts of a file as numpy's own description has them. */
function partsOf(buffer: ArrayBuffer) {
  const bytes = new Uint8Array(buffer);
  expect([...bytes.subarray(0, 6)]).toEqual([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);
  const isFirst = bytes[6] === 1;
  const view = new DataView(buffer);
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = (isFirst ? 10 : 12) + length;
  expect(start % 64).toBe(0);
  expect(bytes[start - 1]).toBe(10);
  return { version: bytes[6], header: new TextDecoder().decode(bytes.subarray(isFirst ? 10 : 12, start)), view, start };
}

function matrix(shape: [number, number] | [number], cells: number[]): Table {
  return { kind: "matrix", cells: Float32Array.from(cells), shape, rowName: "row", columnNames: [] };
}

describe("an array for numpy", () => {
  it("holds its shape and its bytes", () => {
    const { version, header, view, start } = partsOf(npyOf(matrix([2, 3], [1, -2, NaN, Infinity, 5, 6e-40])));
    expect(version).toBe(1);
    expect(header.trimEnd()).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    const read = Array.from({ length: 6 }, (_, i) => view.getFloat32(start + 4 * i, true));
    expect(read).toEqual([1, -2, NaN, Infinity, 5, Math.fround(6e-40)]);
    expect(view.byteLength).toBe(start + 24);
  });

  it("may have one axis, and no cells", () => {
    expect(partsOf(npyOf(matrix([3], [1, 2, 3]))).header).toContain("'shape': (3,), ");
    const { view, start } = partsOf(npyOf(matrix([0, 4], [])));
    expect(view.byteLength).toBe(start);
  });

  it("is a part of a larger buffer and no more", () => {
    const cells = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const { view, start } = partsOf(npyOf({ kind: "matrix", cells, shape: [1, 2], rowName: "row", columnNames: [] }));
    expect([view.getFloat32(start, true), view.getFloat32(start + 4, true)]).toEqual([1, 2]);
    expect(view.byteLength).toBe(start + 8);
  });

  it("has fields of several types", () => {
    const lines: Table = {
      kind: "lines",
      fields: [
        { name: "run", type: "text", values: ["a", "\u00fc\u{1f600}"] },
        { name: "step", type: "integer", values: [2 ** 40, -1] },
        { name: "low", type: "float", values: [0.1, NaN] },
      ],
    };
    const { header, view, start } = partsOf(npyOf(lines));
    expect(header.trimEnd()).toBe(
      "{'descr': [('run', '<U2'), ('step', '<i8'), ('low', '<f8')], 'fortran_order': False, 'shape': (2,), }",
    );
    const size = 8 + 8 + 8;
    expect(view.byteLength).toBe(start + 2 * size);
    expect([0, 4].map((at) => view.getUint32(start + at, true))).toEqual(["a".charCodeAt(0), 0]);
    expect([0, 4].map((at) => view.getUint32(start + size + at, true))).toEqual([0xfc, 0x1f600]);
    expect([0, size].map((at) => view.getBigInt64(start + at + 8, true))).toEqual([2n ** 40n, -1n]);
    expect([0, size].map((at) => view.getFloat64(start + at + 16, true))).toEqual([0.1, NaN]);
  });
});
