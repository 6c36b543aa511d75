import { describe, expect, it } from "vitest";
import { type Layer } from "../api";
import { layerText, quantityPhrase, quantityTitle, suitableScale } from "./names";

function layer(cell: string | null, units: number | null, directions = 1, framework: string | null = "keras"): Layer {
  const names = ["forward", "backward"].slice(0, directions);
  return { layer: "encoder", cell, units, directions: names, gates: [], space: [], framework, quantities: [] };
}

describe("the line below the layer", () => {
  it("says of one layer what it is", () => {
    expect(layerText([layer("lstm", 48, 2)])).toBe("LSTM; 48 units; bidirectional; keras");
    expect(layerText([layer(null, null, 1, null)])).toBe("not recurrent");
    expect(layerText([layer("rnn", 1)])).toBe("RNN; 1 unit; keras");
  });

  it("groups what the runs have in common", () => {
    const six = [1, 2].flatMap((directions) => ["lstm", "gru", "rnn"].map((cell) => layer(cell, 24, directions)));
    expect(layerText(six)).toBe("LSTM, GRU, RNN; 24 units; some bidirectional; keras");
    expect(layerText([layer("lstm", 64), layer("lstm", 16, 1, "torch")])).toBe("LSTM; 16, 64 units; keras, torch");
    expect(layerText([8, 1, 16, 64].map((units) => layer("lstm", units)))).toBe("LSTM; 1\u201364 units; keras");
  });
});

describe("the automatic scale", () => {
  it("is symlog for gradients and linear for the rest", () => {
    const gradients = ["output", "bptt", "cell_state", "input"].map((name) => `${name}_gradient`);
    const scales = [...gradients, "weight_gradients"].map((quantity) => suitableScale(quantity, false));
    expect(new Set(scales)).toEqual(new Set(["symlog"]));
    const others = ["activation", "weights", "cell_state", "gate/forget", "of my own"];
    expect(new Set(others.map((quantity) => suitableScale(quantity, false)))).toEqual(new Set(["linear"]));
  });

  it("is one of magnitudes for a reach, which has no sign unless two are subtracted", () => {
    for (const quantity of ["reach", "reach/40"]) {
      expect([false, true].map((isDifference) => suitableScale(quantity, isDifference))).toEqual(["log", "symlog"]);
    }
  });
});

describe("the name of a quantity", () => {
  it("says what it is, with its symbol, and goes into a sentence", () => {
    expect(quantityTitle("input_gradient")).toBe("Input gradient, dL/dx");
    expect(quantityPhrase("input_gradient")).toBe("input gradient");
    expect(quantityTitle("reach")).toBe("Reach, \u2016\u2202h_T/\u2202h_t\u2016");
    expect(quantityPhrase("reach/40")).toBe("reach of timestep 40");
    expect(quantityTitle("of my own")).toBe("of my own");
  });
});
