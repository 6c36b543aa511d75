import { describe, expect, it } from "vitest";
import { explained, factsOf, sentenceParts } from "./finding_words";
import { finding, health, layer, measure } from "./fixtures";

describe("findings", () => {
  it("stand with what follows from them, however long the chain", () => {
    const follows = [null, 0, 1, null, 3];
    const all = explained(follows.map((cause) => finding({ follows: cause })));
    expect(all.map(({ at, consequences }) => [at, consequences.map((one) => one.at)])).toEqual([
      [0, [1, 2]],
      [3, [4]],
    ]);
  });

  it("show a cause that comes too late by itself rather than not at all", () => {
    expect(explained([finding({ follows: 1 }), finding({ follows: 1 })]).map(({ at }) => at)).toEqual([0, 1]);
  });

  it.each([
    ["the gradient reaches 6 of 79 steps back, and has since step 0.", "6 of 79"],
    ["the forget gate of 61% of units stays below 0.1.", "61%"],
    ["the gradient is below 1.0e-7 at 57% of the timesteps.", "1.0e-7"],
    ["in the forward direction, the gradient grows 1.2e4-fold on its way back.", "1.2e4-fold"],
    ["NaN since step 50, first in the output gradient.", "50"],
  ])("emphasise what was measured: %s", (sentence, strong) => {
    const parts = sentenceParts(sentence);
    expect(parts.map(({ text }) => text).join("")).toBe(sentence);
    expect(parts.filter(({ isStrong }) => isStrong).map(({ text }) => text)).toEqual([strong]);
  });

  it("that state no number have none", () => {
    expect(sentenceParts("all is lost.")).toEqual([{ text: "all is lost.", isStrong: false }]);
  });

  it("say by which measure, against which threshold, and since when", () => {
    const own = layer("recurrent", "error", [measure({ finding: 0 })]);
    const of = health({ runs: [{ run: "rnn", loss: null, layers: [own] }] });
    const texts = (changes: Parameters<typeof finding>[0]) => factsOf(of, finding(changes)).map(({ text }) => text);
    expect(texts({})).toEqual(["gradient horizon: 6 of 79", "threshold: 0.1 (short horizon)", "since step 0"]);
    expect(texts({ threshold: null, since: 50, clean_until: 40, until: 100 })).toEqual([
      "gradient horizon: 6 of 79",
      "since step 50, not yet at step 40",
    ]);
    expect(texts({ value: null, since: 100 })[0]).toBe("gradient horizon: not finite");
    expect(texts({ value: null, since: 100 })[2]).toBe("at step 100");
    expect(texts({ measure: "dead_units", of: null, value: 3 })[0]).toBe("dead units: 3");
    // Counts are not rounded.
    expect(texts({ measure: "dead_units", of: 65536, value: 1234 })[0]).toBe("dead units: 1234 of 65536");
  });
});
