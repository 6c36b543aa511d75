/** Where channels are searched by number and range. */

import { choices, choose } from "../../state/choices";
import { channelCount, foundChannels } from "./scene";

export function ChannelSearch() {
  const { channels, complaint } = foundChannels.value;
  const count = channelCount.value;
  return (
    <div class="control">
      <label for="channels">Channels</label>
      <input
        type="search"
        id="channels"
        placeholder="all, or 0-15, 40"
        title="Show only these channels, where there are many: numbers and ranges, with commas between them"
        aria-describedby="channels-found"
        value={choices.value.channels}
        onInput={(event) => {
          choose({ channels: event.currentTarget.value });
        }}
      />
      <p class="hint" id="channels-found" role="status">
        {complaint !== "" ? complaint : count === 0 ? "" : `${channels.length} of ${count}`}
      </p>
    </div>
  );
}
