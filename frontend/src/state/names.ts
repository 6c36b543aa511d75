/** Names of the API in plain words. A name that is not known is shown as it is. */

import { type Layer } from "../api";

const words: Record<string, { name: string; symbol: string }> = {
  activation: { name: "Activation", symbol: "" },
  output_gradient: { name: "Output gradient", symbol: "\u2202L/\u2202y" },
  bptt_gradient: { name: "BPTT gradient", symbol: "dL/dh" },
  cell_state: { name: "Cell state", symbol: "c" },
  cell_state_gradient: { name: "Cell state gradient", symbol: "dL/dc" },
  weights: { name: "Weights", symbol: "" },
  weight_gradients: { name: "Weight gradients", symbol: "" },
};

const cells: Record<string, string> = { lstm: "LSTM", gru: "GRU", rnn: "RNN" };

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "Output gradient, ∂L/∂y", "Forget gate". */
export function quantityTitle(quantity: string): string {
  const known = quantity in words ? words[quantity] : undefined;
  if (known !== undefined) return known.symbol === "" ? known.name : `${known.name}, ${known.symbol}`;
  return quantity.startsWith("gate/") ? `${capitalised(quantity.slice(5))} gate` : quantity;
}

/** The name within a sentence: "output gradient". */
export function quantityPhrase(quantity: string): string {
  const name = quantityTitle(quantity).split(",")[0];
  return name.startsWith("BPTT") || name === quantity ? name : name.charAt(0).toLowerCase() + name.slice(1);
}

/** "LSTM, 48 units, bidirectional, keras". */
export function layerLine(layer: Layer): string {
  const cell = layer.cell === null ? "not recurrent" : (cells[layer.cell] ?? layer.cell);
  const units = layer.units === null ? "" : `${layer.units} ${layer.units === 1 ? "unit" : "units"}`;
  const directions = layer.directions.length > 1 ? "bidirectional" : "";
  return [cell, units, directions, layer.framework ?? ""].filter((part) => part !== "").join(", ");
}

/** TensorBoard's own palette, dealt out in the order of all its runs. */
const palette = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];

export function runColour(position: number): string {
  return palette[position % palette.length];
}
