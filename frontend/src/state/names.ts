/** Names of the API in plain words. A name that is not known is shown as it is. */

import { type Layer } from "../api";
import { type ScaleKind } from "../drawing/colour_scale";

const words: Record<string, { name: string; symbol: string }> = {
  activation: { name: "Activation", symbol: "" },
  output_gradient: { name: "Output gradient", symbol: "\u2202L/\u2202y" },
  bptt_gradient: { name: "BPTT gradient", symbol: "dL/dh" },
  cell_state: { name: "Cell state", symbol: "c" },
  cell_state_gradient: { name: "Cell state gradient", symbol: "dL/dc" },
  input_gradient: { name: "Input gradient", symbol: "dL/dx" },
  reach: { name: "Reach", symbol: "\u2016\u2202h_T/\u2202h_t\u2016" },
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
  if (quantity.startsWith("reach/")) return `Reach of timestep ${quantity.slice(6)}`;
  return quantity.startsWith("gate/") ? `${capitalised(quantity.slice(5))} gate` : quantity;
}

/** The name within a sentence: "output gradient". */
export function quantityPhrase(quantity: string): string {
  const name = quantityTitle(quantity).split(",")[0];
  return name.startsWith("BPTT") || name === quantity ? name : name.charAt(0).toLowerCase() + name.slice(1);
}

function isReach(quantity: string): boolean {
  return quantity === "reach" || quantity.startsWith("reach/");
}

/**
 * Gradients span decades; activations, gates and weights do not, and a symlog would turn their small values to noise. A
 * reach spans decades too, and only differences of it have a sign.
 */
export function suitableScale(quantity: string, isDifference: boolean): ScaleKind {
  if (isReach(quantity)) return isDifference ? "symlog" : "log";
  return /_gradients?$/.test(quantity) ? "symlog" : "linear";
}

function unitsText(layers: readonly Layer[]): string {
  const units = [...new Set(layers.flatMap((layer) => layer.units ?? []))].sort((a, b) => a - b);
  if (units.length === 0) return "";
  const numbers = units.length > 3 ? `${units[0]}\u2013${units[units.length - 1]}` : units.join(", ");
  return `${numbers} ${numbers === "1" ? "unit" : "units"}`;
}

function directionsText(layers: readonly Layer[]): string {
  const both = layers.filter(({ directions }) => directions.length > 1).length;
  return both === 0 ? "" : both === layers.length ? "bidirectional" : "some bidirectional";
}

/** A layer as the runs have it: "LSTM; 48 units; bidirectional; keras", "LSTM, GRU; 24 units; some bidirectional; keras". */
export function layerText(layers: readonly Layer[]): string {
  const kinds = layers.map(({ cell }) => (cell === null ? "not recurrent" : (cells[cell] ?? cell)));
  const frameworks = layers.flatMap(({ framework }) => framework ?? []);
  const parts = [
    [...new Set(kinds)].join(", "),
    unitsText(layers),
    directionsText(layers),
    [...new Set(frameworks)].join(", "),
  ];
  return parts.filter((part) => part !== "").join("; ");
}

/** TensorBoard's own palette, dealt out in the order of all its runs. */
const palette = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];

export function runColour(position: number): string {
  return palette[position % palette.length];
}
