/** What of the scatter can be set. */

import { quantity } from "../../state/catalogue";
import { choices, choose, type DotColours } from "../../state/choices";
import { writtenSteps } from "../../state/series";
import { Checkbox, Select } from "../../ui/controls";
import { SamplePicker } from "../../ui/sample_picker";
import { ChannelSearch } from "../curves/channel_search_box";
import { allDots } from "./scene";

function EarlierSelect() {
  const steps = writtenSteps.value;
  const first = steps.at(0);
  return (
    <Select
      id="earlier"
      label="Against step"
      title="The earlier step that the distribution is held against; of a run without it, the nearest"
      value={choices.value.earlier === null ? "" : String(choices.value.earlier)}
      options={[
        ["", first === undefined ? "the first" : `the first (${first})`],
        ...steps.map((step): [string, string] => [String(step), String(step)]),
      ]}
      onChange={(value) => {
        choose({ earlier: value === "" ? null : Number(value) });
      }}
    />
  );
}

export function ScatterControls() {
  const { dots, shared, zero } = choices.value;
  if (quantity.value?.kind === "matrices" || allDots.value.length === 0) return null;
  return (
    <>
      <SamplePicker />
      <ChannelSearch />
      <Select
        id="dots"
        label="Colour of dots"
        title="Whether each channel has a colour of its own, or each run"
        value={dots}
        options={[
          ["channel", "by channel"],
          ["run", "by run"],
        ]}
        onChange={(value) => {
          choose({ dots: value as DotColours });
        }}
      />
      <EarlierSelect />
      <div class="group">
        <Checkbox
          label="shared across runs"
          title="One axis for all runs, so that heights can be compared; otherwise each run has its own"
          checked={shared}
          onChange={(value) => {
            choose({ shared: value });
          }}
        />
        <Checkbox
          label="zero line"
          title="Draw the line at zero, and keep it in sight; otherwise the axis follows the values"
          checked={zero}
          onChange={(value) => {
            choose({ zero: value });
          }}
        />
      </div>
    </>
  );
}
