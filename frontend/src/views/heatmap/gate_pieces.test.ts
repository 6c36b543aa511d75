import { describe, expect, it } from "vitest";
import { gatePieces } from "./gate_pieces";

const gates = ["update", "reset", "candidate"];
const single = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => [first + i, first + i] as const);

describe("the gates of what is in sight", () => {
  it("are all of them, in equal parts, of a whole matrix", () => {
    expect(gatePieces(gates, 12, single(0, 12)).map(({ from, to }) => [from, to])).toEqual([
      [0, 4],
      [4, 8],
      [8, 12],
    ]);
  });

  it("are cut off where the region ends, and left out where none of them is in it", () => {
    expect(gatePieces(gates, 12, single(2, 5))).toEqual([
      { gate: "update", firstColumn: 0, from: 0, to: 2 },
      { gate: "reset", firstColumn: 4, from: 2, to: 5 },
    ]);
    expect(gatePieces(gates, 12, single(5, 2))).toEqual([{ gate: "reset", firstColumn: 4, from: 0, to: 2 }]);
    expect(gatePieces(gates, 12, single(11, 1))).toEqual([{ gate: "candidate", firstColumn: 8, from: 0, to: 1 }]);
  });

  it("may meet within a pixel of several columns", () => {
    const blocks = [0, 3, 6, 9].map((first) => [first, first + 2] as const);
    const pieces = gatePieces(gates, 12, blocks);
    expect(pieces.map(({ from }) => from)).toEqual([0, 4 / 3, 8 / 3]);
    expect(pieces.at(-1)?.to).toBe(4);
  });

  it("are none where there are not two of them", () => {
    expect(gatePieces([], 12, single(0, 12))).toEqual([]);
    expect(gatePieces(["only"], 12, single(0, 12))).toEqual([]);
  });
});
