/** How values become colours, or heights. */

import { choices, choose, decadesRange, type ScaleChoice } from "../state/choices";
import { scaleKind } from "../state/panels";
import { Select } from "./controls";

const scales: [ScaleChoice, string][] = [
  ["symlog", "symlog"],
  ["linear", "linear"],
  ["log", "log of magnitude"],
];

export function DecadesSelect() {
  const all = decadesRange.most - decadesRange.least + 1;
  const options = Array.from({ length: all }, (_, i) => String(decadesRange.least + i));
  return (
    <Select
      id="decades"
      label="Decades"
      title={
        "How many powers of ten below the largest magnitude are told apart: more to see faint values, " +
        "fewer to see the large ones in detail"
      }
      value={String(choices.value.decades)}
      options={options.map((value) => [value, value])}
      onChange={(value) => {
        choose({ decades: Number(value) });
      }}
    />
  );
}

export function ScaleControls({ become }: { become: "colours" | "heights" | "places" }) {
  const { scale } = choices.value;
  const automatic = scale === "automatic" ? `automatic (${scaleKind.value})` : "automatic";
  return (
    <>
      <Select
        id="scale"
        label="Scale"
        title={
          `How values become ${become}. Symlog: tiny and large values of either sign, as in gradients; linear: to compare sizes; ` +
          "log of magnitude: over many decades, without signs. Automatic: symlog for gradients, else linear"
        }
        value={scale}
        options={[["automatic", automatic], ...scales]}
        onChange={(value) => {
          choose({ scale: value as ScaleChoice });
        }}
      />
      {scaleKind.value === "linear" ? null : <DecadesSelect />}
    </>
  );
}
