/** How values become colours, or heights. */

import { choices, choose, decadesRange, type ScaleChoice } from "../state/choices";
import { scaleKind } from "../state/panels";
import { Select } from "./controls";

const scales: [ScaleChoice, string][] = [
  ["symlog", "symlog"],
  ["linear", "linear"],
  ["log", "log of magnitude"],
];

export function ScaleControls({ become }: { become: "colours" | "heights" | "places" }) {
  const { scale, decades } = choices.value;
  const all = decadesRange.most - decadesRange.least + 1;
  const decadesOptions = Array.from({ length: all }, (_, i) => String(decadesRange.least + i));
  const automatic = scale === "automatic" ? `automatic (${scaleKind.value})` : "automatic";
  return (
    <>
      <Select
        id="scale"
        label="Scale"
        title={`How values become ${become}: symlog shows both tiny and large values of either sign; automatic takes it for gradients`}
        value={scale}
        options={[["automatic", automatic], ...scales]}
        onChange={(value) => {
          choose({ scale: value as ScaleChoice });
        }}
      />
      {scaleKind.value === "linear" ? null : (
        <Select
          id="decades"
          label="Decades"
          title="How many powers of ten below the largest magnitude are told apart"
          value={String(decades)}
          options={decadesOptions.map((value) => [value, value])}
          onChange={(value) => {
            choose({ decades: Number(value) });
          }}
        />
      )}
    </>
  );
}
