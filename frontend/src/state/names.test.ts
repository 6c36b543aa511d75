import { describe, expect, it } from "vitest";
import { type Layer } from "../api";
import { layerText, suitableScale } from "./names";

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
    const gradients = ["output_gradient", "bptt_gradient", "cell_state_gradient", "weight_gradients"];
    expect(gradients.map(suitableScale)).toEqual(["symlog", "symlog", "symlog", "symlog"]);
    const others = ["activation", "weights", "cell_state", "gate/forget", "of my own"];
    expect(new Set(others.map(suitableScale))).toEqual(new Set(["linear"]));
  });
});
