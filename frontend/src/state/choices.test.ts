import { describe, expect, it } from "vitest";
import { type Choices, defaultChoices, readChoices, writeChoices } from "./choices";
import { readHash, withinHash } from "./host";

const unusual: Choices = {
  view: "heatmap",
  runs: ["a,b", "c/d&e=f", "\u00fc %2C", "."],
  layer: "encoder/bi lstm",
  pairs: [
    ["encoder/bi lstm", "c/d&e=f", "body, %1"],
    ["a", ".", "b"],
  ],
  quantity: "gate/forget",
  samples: [0, 3],
  scale: "log",
  decades: 4,
  limits: "typed",
  typed: "-1 to 2, & more",
  shared: false,
  colours: "RdBu",
  reflect: true,
  across: "channels",
  sort: "first_active",
  marginals: false,
  region: { rows: [0, 19], columns: [4, 4] },
  regions: {
    "forward/kernel": { rows: [0, 3], columns: [2, 7] },
    "back, %ward/re:current": { rows: [1, 1], columns: [0, 0] },
  },
  panels: "sample",
  axes: "row",
  zero: false,
  channels: "0-15, 40",
  open: ["a,b & c", 17],
  zoom: [3, 40],
  dots: "run",
  over: "map",
  equal: "direction",
  bins: 64,
  clip: false,
  absolute: true,
  norm: "l1",
  findings: "all",
  rows: "all",
  details: "all",
  row: ["lstm, 2 %", "encoder/bilstm"],
  statistic: "0.9",
  thresholds: { horizon_share: 0.05, short_horizon: 1e-7 },
  earlier: 50,
  minus: { run: "earlier, &" },
  step: 0,
};

describe("choices in the address", () => {
  it("come back as they were, whatever the names", () => {
    const hash = withinHash("#rnn&runFilter=x", writeChoices(unusual));
    expect(hash.startsWith("#rnn&runFilter=x&p.rnn.")).toBe(true);
    expect(readChoices(readHash(hash))).toEqual(unusual);
  });

  it("are left out at their default", () => {
    expect(Object.values(writeChoices(defaultChoices)).join("")).toBe("");
    expect(withinHash("#rnn&p.rnn.step=7", writeChoices(defaultChoices))).toBe("#rnn");
    expect(readChoices({})).toEqual(defaultChoices);
  });

  it("tell no runs and no samples from the default", () => {
    const none = { ...defaultChoices, runs: [], samples: [] };
    expect(readChoices(readHash(withinHash("#rnn", writeChoices(none))))).toEqual(none);
  });

  it("know the first step, and what is taken away", () => {
    const asWritten = (changes: Partial<Choices>) =>
      readChoices(readHash(withinHash("#rnn", writeChoices({ ...defaultChoices, ...changes }))));
    expect(asWritten({ earlier: "first", minus: "earlier" })).toMatchObject({ earlier: "first", minus: "earlier" });
    expect(asWritten({ earlier: 0, minus: { run: "earlier" } })).toMatchObject({
      earlier: 0,
      minus: { run: "earlier" },
    });
  });

  it("read TensorBoard's deep links", () => {
    expect(readChoices(readHash("#rnn&p.rnn.step=7")).step).toBe(7);
    expect(readChoices(readHash("#rnn&p.rnn.step=-3&p.other.step=9")).step).toBe(-3);
  });

  it("fall back where an address makes no sense", () => {
    const odd = readChoices({
      scale: "cubic",
      decades: "99",
      bins: "513",
      colours: "jet",
      step: "x",
      runs: "%E0%A4%A",
      samples: "1,-2,a",
      panels: "layer",
      axes: "some",
      open: "lstm",
      zoom: "9,3",
      dots: "none",
      over: "all",
      equal: "all",
      earlier: "last",
      minus: "step",
      pairs: "a,b",
      regions: "forward/kernel,0,1,2,backward/kernel,3,1,0,2",
    });
    expect(odd).toEqual({ ...defaultChoices, samples: [1] });
  });
});
