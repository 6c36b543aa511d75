/** What of the heatmaps can be set. */

import { isBidirectional, quantity } from "../../state/catalogue";
import { choices, choose } from "../../state/choices";
import { map } from "../../state/panels";
import { ColourSelect } from "../../ui/colour_select";
import { Checkbox } from "../../ui/controls";
import { SamplePicker } from "../../ui/sample_picker";
import { ScaleControls } from "../../ui/scale_controls";

/** How numbers become colours. */
export function ColourControls() {
  const { shared, absolute } = choices.value;
  return (
    <>
      <div class="group">
        <ScaleControls become="colours" />
        <Checkbox
          label="shared across runs"
          title="One scale for all panels, so that colours can be compared; otherwise each panel has its own"
          checked={shared}
          onChange={(value) => {
            choose({ shared: value });
          }}
        />
        <Checkbox
          label="absolute values"
          title="Colour the magnitudes, without signs"
          checked={absolute}
          onChange={(value) => {
            choose({ absolute: value });
          }}
        />
      </div>
      <ColourSelect automatic={map.value.name} />
    </>
  );
}

export function HeatmapControls() {
  const { reflect } = choices.value;
  return (
    <>
      <SamplePicker />
      <ColourControls />
      {isBidirectional.value && quantity.value?.kind === "sequence" ? (
        <Checkbox
          label="reflect backward half"
          title="Draw the backward half flipped in time, so that the two directions' own time runs the same way"
          checked={reflect}
          onChange={(value) => {
            choose({ reflect: value });
          }}
        />
      ) : null}
    </>
  );
}
