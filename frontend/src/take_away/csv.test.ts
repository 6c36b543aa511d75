import { describe, expect, it } from "vitest";
import { csvOf } from "./csv";

describe("comma-separated values", () => {
  it("have a row for each row, with every float32 to the last bit", () => {
    const values = [0.1, 1 / 3, 1e-45, 3.4028235e38, -16777217, 1];
    const cells = Float32Array.from(values);
    const text = csvOf({ kind: "matrix", cells, shape: [2, 3], rowName: "timestep", columnNames: ["a", "b", "c"] });
    const lines = text.split("\n");
    expect([lines[0], lines[3], lines.length]).toEqual(["timestep,a,b,c", "", 4]);
    const read = lines.slice(1, 3).map((line) => line.split(",").map(Number));
    expect(read.map(([row]) => row)).toEqual([0, 1]);
    expect(read.flatMap(([, ...rest]) => rest.map(Math.fround))).toEqual([...cells]);
  });

  it("name what is not finite as numpy does, and label rows where they are not counted", () => {
    const cells = Float32Array.of(NaN, Infinity, -Infinity);
    const table = { kind: "matrix" as const, cells, shape: [3, 1] as const, rowName: "sample", columnNames: ["x"] };
    expect(csvOf({ ...table, rowLabels: [1, 4, 7] })).toBe("sample,x\n1,nan\n4,inf\n7,-inf\n");
  });

  it("have the sign of zero", () => {
    const cells = Float32Array.of(-0, 0);
    const table = { kind: "matrix" as const, cells, shape: [1, 2] as const, rowName: "row", columnNames: ["x", "y"] };
    expect(csvOf(table)).toBe("row,x,y\n0,-0,0\n");
    const fields = [{ name: "low", type: "float" as const, values: [-0, 0] }];
    expect(csvOf({ kind: "lines", fields })).toBe("low\n-0\n0\n");
  });

  it("quote what would be taken for something else", () => {
    const fields = [
      { name: "run", type: "text" as const, values: ['lr=1, "a"', "b\nc"] },
      { name: "low", type: "float" as const, values: [0.1, -Infinity] },
    ];
    expect(csvOf({ kind: "lines", fields })).toBe('run,low\n"lr=1, ""a""",0.1\n"b\nc",-inf\n');
  });
});
