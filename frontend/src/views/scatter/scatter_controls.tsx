/** What of the scatter can be set. */

import { quantity } from "../../state/catalogue";
import { choices, choose, type DotColours } from "../../state/choices";
import { Checkbox, Select } from "../../ui/controls";
import { SamplePicker } from "../../ui/sample_picker";
import { ChannelSearch } from "../curves/channel_search_box";
import { ZeroLineBox } from "../curves/zero_line_box";
import { allDots } from "./scene";

export function ScatterControls() {
  const { dots, shared } = choices.value;
  if (quantity.value?.kind === "matrices" || allDots.value.length === 0) return null;
  return (
    <>
      <SamplePicker />
      <ChannelSearch />
      <Select
        id="dots"
        label="Colour of dots"
        title="By channel: to follow a channel from run to run. By run: to hold runs against each other"
        value={dots}
        options={[
          ["channel", "by channel"],
          ["run", "by run"],
        ]}
        onChange={(value) => {
          choose({ dots: value as DotColours });
        }}
      />
      <div class="group">
        <Checkbox
          label="shared across runs"
          title="One axis for all runs, so that heights can be compared; otherwise each run has its own"
          checked={shared}
          onChange={(value) => {
            choose({ shared: value });
          }}
        />
        <ZeroLineBox />
      </div>
    </>
  );
}
