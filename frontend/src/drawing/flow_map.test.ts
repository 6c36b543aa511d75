import { describe, expect, it } from "vitest";
import {
  columnOfStep,
  flowPicture,
  lagAxis,
  type NormProfiles,
  placeOfStep,
  stepAxis,
  stepsOfColumns,
} from "./flow_map";

function profiles(
  steps: number[],
  rows: number[][],
  direction = "forward",
  block = 1,
  timesteps?: number,
): NormProfiles {
  const width = Math.max(...rows.map((row) => row.length));
  const norms = new Float32Array(steps.length * width).fill(NaN);
  rows.forEach((row, i) => {
    norms.set(row, i * width);
  });
  const lengths = rows.map((row) => timesteps ?? row.length * block);
  const blocks = rows.map(() => block);
  return { direction, steps, timesteps: lengths, blocks, norms, shape: [steps.length, width] };
}

/** Column by column, without what is not painted. */
function columnsOf(one: NormProfiles, mostColumns = 100, mostRows = 100, others: number[][] = []) {
  const axis = stepAxis([one.steps, ...others], mostColumns);
  const { width, cells, filled } = flowPicture(one, axis, lagAxis([one], mostRows));
  return Array.from({ length: width }, (_, x) => Array.from({ length: filled[x] }, (_, row) => cells[row * width + x]));
}

describe("the axis of steps", () => {
  it("has a column for each step where they are evenly spaced", () => {
    expect(stepAxis([[0, 10, 20, 30]], 100)).toEqual({ first: 0, last: 30, interval: 10, columns: 4 });
    expect(stepAxis([[5]], 100)).toEqual({ first: 5, last: 5, interval: 1, columns: 1 });
    expect(stepAxis([], 100).columns).toBe(0);
  });

  it("reaches over all runs, with no more columns than fit", () => {
    const axis = stepAxis(
      [
        [0, 10, 20],
        [100, 1000],
      ],
      21,
    );
    expect(axis).toEqual({ first: 0, last: 1000, interval: 50, columns: 21 });
    expect(columnOfStep(axis, 1000)).toBe(20);
    expect(placeOfStep(axis, 500)).toBeCloseTo(0.5, 12);
  });

  it("shows the nearest step between two, and nothing beyond the first and the last", () => {
    const axis = stepAxis(
      [
        [0, 10, 20, 30, 40, 50],
        [10, 40],
      ],
      100,
    );
    expect(stepsOfColumns([10, 40], axis)).toEqual([null, [0, 0], [0, 0], [1, 1], [1, 1], null]);
  });

  it("gathers the steps of a column", () => {
    const axis = { first: 0, last: 30, interval: 15, columns: 3 };
    expect(stepsOfColumns([0, 5, 10, 20, 30], axis)).toEqual([
      [0, 1],
      [2, 3],
      [4, 4],
    ]);
  });
});

describe("the picture", () => {
  it("has the last timestep at the top, of a backward direction the first", () => {
    expect(
      columnsOf(
        profiles(
          [0, 10],
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ),
      ),
    ).toEqual([
      [3, 2, 1],
      [6, 5, 4],
    ]);
    expect(columnsOf(profiles([0], [[1, 2, 3]], "backward"))).toEqual([[1, 2, 3]]);
  });

  it("leaves out what there is not: padding, and columns without a step", () => {
    const one = profiles(
      [10, 20],
      [
        [1, 2, 3],
        [4, 5],
      ],
    );
    expect(columnsOf(one, 100, 100, [[0, 10, 20, 30]])).toEqual([[], [3, 2, 1], [5, 4], []]);
  });

  it("pools by the largest norm, NaN above Inf above all", () => {
    const rows = [
      [1, 9, 2, 3],
      [5, NaN, Infinity, 1],
      [7, 1, Infinity, 8],
    ];
    // Rows of two lags; columns of steps 0 and 10, and of 20.
    const picture = flowPicture(
      profiles([0, 10, 20], rows),
      { first: 0, last: 30, interval: 15, columns: 2 },
      lagAxis([profiles([0], [[1, 2, 3, 4]])], 2),
    );
    expect([...picture.cells]).toEqual([3, Infinity, 9, NaN]);
    expect(picture.steps).toEqual([
      [0, 0],
      [1, 2],
    ]);
  });

  it("shows a point of a thinned profile at all its timesteps", () => {
    // Five timesteps in points of two: the last point stands for one.
    expect(columnsOf(profiles([0], [[1, 2, 3]], "forward", 2, 5))).toEqual([[3, 2, 2, 1, 1]]);
    expect(columnsOf(profiles([0], [[1, 2, 3]], "backward", 2, 5))).toEqual([[1, 1, 2, 2, 3]]);
  });
});
