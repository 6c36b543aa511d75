/** What of the heatmaps can be set. */

import { isBidirectional, quantity } from "../../state/catalogue";
import { type AcrossKind, choices, choose, type SortKind } from "../../state/choices";
import { areNormalised, map } from "../../state/colours";
import { areDifferences } from "../../state/columns";
import { ChannelNormsBox } from "./channel_norms_box";
import { ColourSelect } from "../../ui/colour_select";
import { Checkbox, Select } from "../../ui/controls";
import { SamplePicker } from "../../ui/sample_picker";
import { ScaleControls } from "../../ui/scale_controls";
import { LimitControls } from "./limit_controls";
import { PinnedChannels } from "./pinned_channels";
import { MatrixRegionControls } from "./matrix_region_controls";
import { RegionControls } from "./region_controls";

/** How numbers become colours. */
export function ColourControls() {
  return (
    <>
      <div class="group">
        {areNormalised.value ? null : <ScaleControls become="colours" />}
        <LimitControls />
        <Checkbox
          label="absolute values"
          title="Colour the magnitudes, without signs: for how large, where which way does not matter"
          checked={choices.value.absolute}
          onChange={(value) => {
            choose({ absolute: value });
          }}
        />
      </div>
      <ColourSelect automatic={map.value.name} />
    </>
  );
}

const sorts: [SortKind, string][] = [
  ["number", "by number"],
  ["magnitude", "by magnitude"],
  ["first_active", "by first active timestep"],
  ["similarity", "by similarity"],
];

const sortMeaning =
  "In which order channels stand. By magnitude: the largest mean magnitude first. By first active timestep: where a channel " +
  "first reaches 1% of its own largest magnitude, the earliest first. By similarity: channels whose values go together stand " +
  "together. The order is that of each run\u2019s first sample shown, at the step shown; each direction is sorted by itself";

function SortSelect() {
  return (
    <Select
      id="sort"
      label="Sort channels"
      title={sortMeaning}
      value={choices.value.sort}
      options={sorts}
      onChange={(sort) => {
        choose({ sort: sort as SortKind });
      }}
    >
      {areDifferences.value && choices.value.sort !== "number" ? (
        <p class="hint">Differences stay in the order of their numbers.</p>
      ) : null}
    </Select>
  );
}

function AxesSelect() {
  return (
    <Select
      id="across"
      label="Timesteps run"
      title="Which way time runs; the channels run the other way. Down suits long sequences of few channels"
      value={choices.value.across}
      options={[
        ["timesteps", "to the right"],
        ["channels", "down"],
      ]}
      onChange={(across) => {
        choose({ across: across as AcrossKind });
      }}
    />
  );
}

function MarginalsBox() {
  return (
    <Checkbox
      label="mean magnitudes beside"
      title={
        "Beside each drawing the mean magnitude of every channel over all timesteps, and of every timestep over all channels: " +
        "which channels carry the most, and when"
      }
      checked={choices.value.marginals}
      onChange={(value) => {
        choose({ marginals: value });
      }}
    />
  );
}

function ReflectBox() {
  return (
    <Checkbox
      label="reflect backward half"
      title="Draw the backward half flipped in time, so that the two directions' own time runs the same way"
      checked={choices.value.reflect}
      onChange={(value) => {
        choose({ reflect: value });
      }}
    />
  );
}

export function HeatmapControls() {
  const isSequence = quantity.value?.kind === "sequence";
  return (
    <>
      <SamplePicker />
      <ColourControls />
      {isSequence ? (
        <div class="group">
          <SortSelect />
          <AxesSelect />
          {areDifferences.value ? null : <MarginalsBox />}
          {isBidirectional.value ? <ReflectBox /> : null}
        </div>
      ) : (
        <ChannelNormsBox />
      )}
      <RegionControls />
      <MatrixRegionControls />
      <PinnedChannels />
    </>
  );
}
