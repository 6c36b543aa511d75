/** The controls beside the view. */

import { chosenLayers, layerName, layerNames, quantities, quantity } from "../state/catalogue";
import { choices, choose } from "../state/choices";
import { layerText, quantityTitle } from "../state/names";
import { needs } from "../state/needs";
import { chooseLayer } from "../state/region";
import { viewNamed } from "../views/registry";
import { CompareControls } from "./compare_controls";
import { Select } from "./controls";
import { LayerPairs } from "./layer_pairs";
import { ResetDrawing } from "./reset_drawing";
import { RunList } from "./run_list";

function LayerSelect() {
  return (
    <Select
      id="layer"
      label="Layer"
      title="The layer that is looked into, in all runs; of a net with several, begin at the one that Overview finds fault with"
      value={layerName.value ?? ""}
      options={layerNames.value.map((name) => [name, name])}
      onChange={(layer) => {
        chooseLayer(layer);
      }}
    >
      <p class="hint">{layerText(chosenLayers.value)}</p>
      <LayerPairs />
    </Select>
  );
}

/** Runs, layer and quantity are the same for every view; the rest is the view's own. */
export function ControlPanel() {
  const { Controls } = viewNamed(choices.value.view);
  return (
    <aside class="controls" aria-label="What is shown">
      <RunList />
      <LayerSelect />
      <Select
        id="quantity"
        label="Quantity"
        title="What of the layer is drawn: activations tell what it says, gradients how it learns, weights what it has learned"
        value={quantity.value?.quantity ?? ""}
        options={quantities.value.map(({ quantity: name }) => [name, quantityTitle(name)])}
        onChange={(name) => {
          choose({ quantity: name });
        }}
      />
      {needs.value.compares === false ? null : <CompareControls />}
      <Controls />
      <ResetDrawing />
    </aside>
  );
}
