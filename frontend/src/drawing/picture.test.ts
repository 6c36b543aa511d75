import { describe, expect, it } from "vitest";
import { arrange, type Arrangement, type CellArray, cellAt, numberOf, pixelOf, sightOf } from "./picture";

function arrayOf(rows: number, columns: number, value: (row: number, column: number) => number): CellArray {
  const cells = Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));
  const whole = { rowBlock: 1, columnBlock: 1, fullRows: rows, fullColumns: columns, split: null, reflected: false };
  return { ...whole, cells, rows, columns, rowSpan: [0, rows - 1], columnSpan: [0, columns - 1] };
}

const plain: Arrangement = {
  transposed: true,
  boundary: null,
  reflected: false,
  sight: null,
  maxWidth: 999,
  maxHeight: 999,
};

/** NaN above Inf above every number. */
function rank(value: number): number {
  return Number.isNaN(value) ? Infinity : Math.abs(value) === Infinity ? Number.MAX_VALUE : Math.abs(value);
}

function noise(row: number, column: number): number {
  const wave = Math.sin(row * 12.9898 + column * 78.233) * 43758.5453;
  return Math.fround((wave - Math.floor(wave) - 0.5) * 10 ** -((row + column) % 6));
}

describe("arranging an array", () => {
  it("draws channels down and timesteps to the right", () => {
    const picture = arrange(
      arrayOf(3, 2, (row, column) => 10 * row + column),
      plain,
    );
    expect([picture.width, picture.height]).toEqual([3, 2]);
    expect([...picture.cells]).toEqual([0, 10, 20, 1, 11, 21]);
  });

  it("draws a matrix as it is", () => {
    const picture = arrange(
      arrayOf(2, 3, (row, column) => 10 * row + column),
      { ...plain, transposed: false },
    );
    expect([picture.width, picture.height]).toEqual([3, 2]);
    expect([...picture.cells]).toEqual([0, 1, 2, 10, 11, 12]);
  });

  it("flips the backward half in time, and nothing else", () => {
    const array = arrayOf(3, 4, (row, column) => 10 * row + column);
    const picture = arrange(array, { ...plain, boundary: 2, reflected: true });
    expect([...picture.cells]).toEqual([0, 10, 20, 1, 11, 21, 22, 12, 2, 23, 13, 3]);
    expect(cellAt(picture, 0, 2)).toEqual({ rows: [2, 2], columns: [2, 2] });
    expect(pixelOf(picture, 2, 3)).toEqual({ x: 0, y: 3 });
  });

  it("does not touch the array it was given", () => {
    const array = arrayOf(5, 4, noise);
    const before = array.cells.slice();
    arrange(array, { ...plain, boundary: 2, reflected: true, maxWidth: 2, maxHeight: 2 });
    expect(array.cells).toEqual(before);
  });

  for (const bfloat16 of [false, true]) {
    it(`pools by largest magnitude like brute force, NaN and Inf first (${bfloat16 ? "bfloat16" : "float32"})`, () => {
      const array = arrayOf(53, 38, (row, column) => {
        if (row === 7 && column === 5) return NaN;
        if (row === 7 && column === 6) return Infinity;
        if (row === 40 && column === 30) return -Infinity;
        return noise(row, column);
      });
      if (bfloat16) {
        const halves = new Uint16Array(array.cells.buffer);
        array.cells = Uint16Array.from({ length: array.cells.length }, (_, i) => halves[2 * i + 1]);
      }
      // Boundary 19 is odd: a block of 2 must stop there.
      const picture = arrange(array, { ...plain, boundary: 19, reflected: true, maxWidth: 20, maxHeight: 19 });
      expect(picture.width).toBe(18);
      expect(picture.height).toBe(20);
      const seen = new Set<string>();
      for (let y = 0; y < picture.height; y++) {
        for (let x = 0; x < picture.width; x++) {
          const { rows, columns } = cellAt(picture, x, y);
          let largest = 0;
          for (let row = rows[0]; row <= rows[1]; row++) {
            for (let column = columns[0]; column <= columns[1]; column++) {
              seen.add(`${row} ${column}`);
              expect(pixelOf(picture, row, column)).toEqual({ x, y });
              const value = numberOf(array.cells, row * 38 + column);
              if (rank(value) > rank(largest)) largest = value;
            }
          }
          expect(numberOf(picture.cells, y * picture.width + x)).toBe(largest);
          expect(columns[0] < 19).toBe(columns[1] < 19);
        }
      }
      expect(seen.size).toBe(53 * 38);
    });
  }

  it("says which full cells a pixel stands for when the server pooled too", () => {
    const array = {
      ...arrayOf(5, 3, noise),
      rowBlock: 4,
      columnBlock: 2,
      fullRows: 18,
      fullColumns: 6,
      rowSpan: [0, 17] as const,
      columnSpan: [0, 5] as const,
    };
    const picture = arrange(array, { ...plain, maxWidth: 3 });
    expect(cellAt(picture, 0, 0)).toEqual({ rows: [0, 7], columns: [0, 1] });
    expect(cellAt(picture, 2, 2)).toEqual({ rows: [16, 17], columns: [4, 5] });
    expect(pixelOf(picture, 17, 5)).toEqual({ x: 2, y: 2 });
    expect(pixelOf(picture, 18, 5)).toBeNull();
  });

  it("finds its way back from every pixel, whatever is in sight, turned, reflected or in a region", () => {
    const full = arrayOf(12, 10, noise);
    const sight = { rows: [2, 8] as const, columns: [3, 8] as const };
    for (const transposed of [true, false]) {
      for (const reflected of [false, true]) {
        // The region was fetched as it is drawn: rows 1 to 9 of places 2 to 9, the later ones already reflected.
        const region = {
          ...arrayOf(9, 8, (row, column) => {
            const place = column + 2;
            return full.cells[(reflected && place >= 5 ? 11 - (row + 1) : row + 1) * 10 + place];
          }),
          fullRows: 12,
          fullColumns: 10,
          rowSpan: [1, 9] as const,
          columnSpan: [2, 9] as const,
          split: 5,
          reflected,
        };
        const arrangement = { ...plain, transposed, boundary: 5, reflected, sight };
        const [whole, part] = [arrange(full, arrangement), arrange(region, arrangement)];
        expect([...part.cells]).toEqual([...whole.cells]);
        expect([part.width, part.height]).toEqual(transposed ? [7, 6] : [6, 7]);
        for (const picture of [whole, part]) {
          for (let y = 0; y < picture.height; y++) {
            for (let x = 0; x < picture.width; x++) {
              const { rows, columns } = cellAt(picture, x, y);
              expect(pixelOf(picture, rows[0], columns[0])).toEqual({ x, y });
              expect(picture.cells[y * picture.width + x]).toBe(full.cells[rows[0] * 10 + columns[0]]);
              const seen = sightOf(picture, { x, y }, { x, y });
              const [along, across] = transposed ? [x, y] : [y, x];
              expect(seen).toEqual({ rows: [2 + along, 2 + along], columns: [3 + across, 3 + across] });
            }
          }
          const corner = { x: picture.width - 1, y: picture.height - 1 };
          expect(sightOf(picture, corner, { x: 0, y: 0 })).toEqual(sight);
        }
      }
    }
  });

  it("leaves out no pooled cell of either half where one is cut into more blocks than the other", () => {
    const array = { ...arrayOf(5, 4, noise), rowBlock: 4, fullRows: 18, rowSpan: [0, 17] as const };
    const sight = { rows: [4, 11] as const, columns: [0, 3] as const };
    const picture = arrange(array, { ...plain, boundary: 2, reflected: true, sight });
    const [before, after] = picture.parts;
    expect(before.rows.at(0)?.[0]).toBe(4);
    expect(before.rows.at(-1)?.[1]).toBe(11);
    // Places 4 to 11 of 18 are rows 6 to 13 of the other half.
    expect(new Set(after.rows.map(([first]) => first))).toEqual(new Set([12, 8, 4]));
  });

  it("is empty where nothing is in sight", () => {
    const sight = { rows: [5, 4] as const, columns: [0, 1] as const };
    const picture = arrange(arrayOf(3, 2, noise), { ...plain, sight });
    expect(picture.width * picture.height).toBe(0);
    expect(pixelOf(picture, 0, 0)).toBeNull();
  });
});
