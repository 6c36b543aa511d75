import { describe, expect, it } from "vitest";
import { gap, layOut, layOutSamples } from "./layout";

const gutters = { beside: 34, above: 52, heading: 46, bar: 96, line: 200 };

describe("the grid", () => {
  it("gives runs beside each other the whole width", () => {
    const { columns, width } = layOut({ width: 1100, height: 700 }, 2, 2, gutters);
    expect(columns).toBe(2);
    expect(2 * (width + 34) + gap).toBe(1100 - 96);
  });

  it("wraps into rows of equal length", () => {
    const layout = layOut({ width: 1100, height: 700 }, 6, 2, gutters);
    expect(layout.columns).toBe(3);
    expect(layOut({ width: 1100, height: 700 }, 5, 2, gutters).columns).toBe(3);
    expect(layout.height).toBeGreaterThanOrEqual(130);
  });

  it("fits the rows, their titles and the runs' names into the height", () => {
    const { height } = layOut({ width: 2000, height: 900 }, 2, 2, gutters);
    expect(2 * (height + 52) + 46).toBe(900);
  });
});

describe("the samples of one run", () => {
  const room = { width: 1100, height: 700 };

  it.each([13, 16, 64])("fill several columns: %d panels are no column of as many", (samples) => {
    const { across, width } = layOutSamples(room, samples, gutters);
    expect(across).toBeGreaterThan(1);
    expect(across).toBeLessThan(samples);
    expect(across * (width + gutters.beside) + (across - 1) * gap).toBeLessThanOrEqual(room.width - gutters.bar);
    expect(width).toBeGreaterThanOrEqual(190);
    expect(layOutSamples({ width: 2300, height: 700 }, samples, gutters).across).toBeGreaterThan(across);
  });

  it("have the whole width while all of them are in sight below each other", () => {
    expect(layOutSamples(room, 2, gutters)).toEqual(layOut(room, 1, 2, gutters));
    expect(layOutSamples({ width: 1100, height: 2600 }, 13, gutters).across).toBe(1);
  });

  it("fill their rows evenly", () => {
    // Four fit beside each other.
    expect(layOutSamples({ width: 1100, height: 250 }, 6, gutters)).toMatchObject({ columns: 1, across: 3 });
  });

  it("stand below each other where there is no room beside", () => {
    expect(layOutSamples({ width: 300, height: 700 }, 13, gutters).across).toBe(1);
    expect(layOutSamples({ width: 0, height: 0 }, 0, gutters).across).toBe(1);
  });
});
