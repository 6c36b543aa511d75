/** The controls beside the view. */

import { type ColourMapName, colourMapNames } from "../drawing/colour_maps";
import { chosenLayers, isBidirectional, layerName, layerNames, quantities, quantity } from "../state/catalogue";
import { choices, choose, type ColourChoice, decadesRange, type ScaleChoice } from "../state/choices";
import { layerText, quantityTitle } from "../state/names";
import { map, scaleKind } from "../state/panels";
import { Checkbox, Select } from "./controls";
import { RunList } from "./run_list";
import { SamplePicker } from "./sample_picker";

function LayerSelect() {
  return (
    <Select
      id="layer"
      label="Layer"
      title="The layer that is looked into"
      value={layerName.value ?? ""}
      options={layerNames.value.map((name) => [name, name])}
      onChange={(layer) => {
        choose({ layer });
      }}
    >
      <p class="hint">{layerText(chosenLayers.value)}</p>
    </Select>
  );
}

const scales: [ScaleChoice, string][] = [
  ["symlog", "symlog"],
  ["linear", "linear"],
  ["log", "log of magnitude"],
];

function ScaleControls() {
  const { scale, decades, shared } = choices.value;
  const all = decadesRange.most - decadesRange.least + 1;
  const decadesOptions = Array.from({ length: all }, (_, i) => String(decadesRange.least + i));
  const automatic = scale === "automatic" ? `automatic (${scaleKind.value})` : "automatic";
  return (
    <div class="group">
      <Select
        id="scale"
        label="Scale"
        title="How values become colours: symlog shows both tiny and large values of either sign; automatic takes it for gradients"
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
      <Checkbox
        label="shared across runs"
        title="One scale for all panels, so that colours can be compared; otherwise each panel has its own"
        checked={shared}
        onChange={(value) => {
          choose({ shared: value });
        }}
      />
    </div>
  );
}

const mapTexts: Record<ColourMapName, string> = {
  vik: "vik",
  berlin: "berlin",
  RdBu: "RdBu",
  bwr: "bwr",
  cividis: "cividis (sequential)",
};

function ColourSelect() {
  const options: [ColourChoice, string][] = [
    ["automatic", `automatic (${map.value.name})`],
    ...colourMapNames.map((name): [ColourChoice, string] => [name, mapTexts[name]]),
  ];
  if (choices.value.colours !== "automatic") options[0] = ["automatic", "automatic"];
  return (
    <Select
      id="colours"
      label="Colours"
      title="The colour map; automatic takes vik on light, berlin on dark, cividis for magnitudes"
      value={choices.value.colours}
      options={options}
      onChange={(colours) => {
        choose({ colours: colours as ColourChoice });
      }}
    />
  );
}

export function ControlPanel() {
  return (
    <aside class="controls" aria-label="What is shown">
      <RunList />
      <LayerSelect />
      <Select
        id="quantity"
        label="Quantity"
        title="What of the layer is drawn"
        value={quantity.value?.quantity ?? ""}
        options={quantities.value.map(({ quantity: name }) => [name, quantityTitle(name)])}
        onChange={(name) => {
          choose({ quantity: name });
        }}
      />
      <SamplePicker />
      <ScaleControls />
      <ColourSelect />
      {isBidirectional.value && quantity.value?.kind === "sequence" ? (
        <Checkbox
          label="reflect backward half"
          title="Draw the backward half flipped in time, so that the two directions' own time runs the same way"
          checked={choices.value.reflect}
          onChange={(reflect) => {
            choose({ reflect });
          }}
        />
      ) : null}
    </aside>
  );
}
