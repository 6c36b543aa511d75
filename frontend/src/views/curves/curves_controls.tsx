/** What of the curves can be set. */

import { quantity } from "../../state/catalogue";
import { choices, choose, type PanelKind, type SharedAxes } from "../../state/choices";
import { Select } from "../../ui/controls";
import { SamplePicker } from "../../ui/sample_picker";
import { ScaleControls } from "../../ui/scale_controls";
import { ChannelSearch } from "./channel_search_box";
import { ZeroLineBox } from "./zero_line_box";

function AxesSelect() {
  const { panels, axes } = choices.value;
  const options: [SharedAxes, string][] = [
    ["all", "shared by all"],
    ["row", `one for each ${panels} (row)`],
    ["column", "one for each run (column)"],
    ["none", "each panel its own"],
  ];
  return (
    <Select
      id="axes"
      label="Y axis"
      title={
        "Which panels share a y axis. Only what does can be compared by its height; each its own shows the shape of small " +
        "curves too"
      }
      value={axes}
      options={options}
      onChange={(value) => {
        choose({ axes: value as SharedAxes });
      }}
    />
  );
}

export function CurvesControls() {
  const { panels } = choices.value;
  if (quantity.value?.kind === "matrices") return null;
  return (
    <>
      <SamplePicker />
      <Select
        id="panels"
        label="Panels"
        title={
          "One channel with all samples overlaid: to see how channels differ. One sample with all channels: to see what stands " +
          "out of a sample"
        }
        value={panels}
        options={[
          ["channel", "one for each channel"],
          ["sample", "one for each sample"],
        ]}
        onChange={(value) => {
          choose({ panels: value as PanelKind, open: null, zoom: null });
        }}
      />
      <ChannelSearch />
      <div class="group">
        <ScaleControls become="heights" />
        <AxesSelect />
        <ZeroLineBox />
      </div>
    </>
  );
}
