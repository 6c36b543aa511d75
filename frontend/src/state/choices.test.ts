import { describe, expect, it } from "vitest";
import { type Choices, defaultChoices, readChoices, writeChoices } from "./choices";
import { readHash, withinHash } from "./host";

const unusual: Choices = {
  view: "heatmap",
  runs: ["a,b", "c/d&e=f", "\u00fc %2C", "."],
  layer: "encoder/bi lstm",
  quantity: "gate/forget",
  samples: [0, 3],
  scale: "log",
  decades: 4,
  shared: false,
  colours: "RdBu",
  reflect: true,
  panels: "sample",
  axes: "row",
  zero: false,
  channels: "0-15, 40",
  open: ["a,b & c", 17],
  zoom: [3, 40],
  dots: "run",
  over: "map",
  equal: "direction",
  clip: false,
  absolute: true,
  norm: "l1",
  earlier: 50,
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

  it("read TensorBoard's deep links", () => {
    expect(readChoices(readHash("#rnn&p.rnn.step=7")).step).toBe(7);
    expect(readChoices(readHash("#rnn&p.rnn.step=-3&p.other.step=9")).step).toBe(-3);
  });

  it("fall back where an address makes no sense", () => {
    const odd = readChoices({
      scale: "cubic",
      decades: "99",
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
      earlier: "first",
    });
    expect(odd).toEqual({ ...defaultChoices, samples: [1] });
  });
});
