/** The list of the channels that are pinned to Curves. */

import { indicesText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { ViewLink } from "../view_link";
import { pinnedChannels, togglePins, unpinAll } from "./pinned";

/** More are listed as ranges. */
const mostButtons = 24;

function Pins() {
  const pinned = pinnedChannels.value;
  if (pinned.length > mostButtons) return <p>{indicesText(pinned)}</p>;
  return (
    <div class="pins">
      {pinned.map((channel) => (
        <button
          key={channel}
          type="button"
          aria-label={`Unpin channel ${channel}`}
          title={`Take channel ${channel} off`}
          onClick={() => {
            togglePins([channel]);
          }}
        >
          {channel} <span aria-hidden="true">{"\u00d7"}</span>
        </button>
      ))}
    </div>
  );
}

export function PinnedChannels() {
  if (quantity.value?.kind === "matrices") return null;
  const isNone = pinnedChannels.value.length === 0;
  return (
    <fieldset>
      <legend>Pinned to Curves</legend>
      {isNone ? (
        <p class="hint">none: click a cell, or press Enter on it, to see its channel as a curve</p>
      ) : (
        <>
          <Pins />
          <p class="pin-links">
            <ViewLink view="curves">Open Curves</ViewLink>
            <button type="button" class="link" title="Let Curves show all channels" onClick={unpinAll}>
              unpin all
            </button>
          </p>
        </>
      )}
    </fieldset>
  );
}
