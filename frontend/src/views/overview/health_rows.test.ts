import { describe, expect, it } from "vitest";
import { type Verdict } from "../../state/health";
import { health, layer, measure } from "./fixtures";
import { columnsOf, rowsOf, tableOf, trendOf } from "./health_rows";

function run(name: string, layers: [string, Verdict, number | null][]) {
  return {
    run: name,
    loss: null,
    layers: layers.map(([of, severity, finding]) => layer(of, severity, [measure({ severity, finding })])),
  };
}

describe("the table of health", () => {
  it("has the worst rows first, as their findings come, and the rest in their order", () => {
    const of = health({
      runs: [
        run("a", [
          ["one", "ok", null],
          ["two", "warning", 2],
        ]),
        run("b", [
          ["one", "error", 1],
          ["two", "note", 3],
        ]),
        run("c", [
          ["one", "error", 0],
          ["two", "", null],
        ]),
      ],
    });
    expect(rowsOf(of).map((row) => `${row.run.run} ${row.layer.layer}`)).toEqual([
      "c one",
      "b one",
      "a two",
      "b two",
      "a one",
      "c two",
    ]);
  });

  it("has the columns of which some row has something, the loss first", () => {
    const loss = { run: "b", tag: "train/loss", steps: [0, 100], values: [1, null] };
    const horizon = layer("l", "ok", [measure({})]);
    const ratio = layer("l", "ok", [measure({ measure: "update_ratio", unit: "ratio", of: null })]);
    const of = health({
      runs: [
        { run: "a", loss: null, layers: [horizon] },
        { run: "b", loss, layers: [ratio] },
      ],
    });
    expect(columnsOf(of).map(({ title }) => title)).toEqual(["loss", "gradient horizon", "update ratio"]);
    const [a, b] = rowsOf(of);
    const [lossColumn, horizonColumn] = columnsOf(of);
    expect(trendOf(a, lossColumn)).toBeNull();
    expect(trendOf(b, lossColumn)).toMatchObject({ title: "train/loss", latest: null, latestStep: 0 });
    expect(trendOf(b, horizonColumn)).toBeNull();
    expect(trendOf(a, horizonColumn)?.text).toBe("6 of 79");
  });

  it("has one axis for each column, and one for all steps", () => {
    const of = health({
      runs: [
        { run: "a", loss: null, layers: [layer("l", "ok", [measure({ values: [1, null, 20] })])] },
        { run: "b", loss: null, layers: [layer("l", "ok", [measure({ of: 99, steps: [5, 10, 700] })])] },
      ],
    });
    const table = tableOf(of);
    expect(table.axes.get("gradient_horizon")).toEqual({ low: 0, high: 99, isLog: false });
    expect([table.first, table.last]).toEqual([0, 700]);
  });
});
