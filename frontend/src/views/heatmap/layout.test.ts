import { describe, expect, it } from "vitest";
import { gap, layOut } from "./layout";

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
