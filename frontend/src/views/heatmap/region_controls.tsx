/** What is in sight: zoomed by buttons here, by drag, wheel and keys in the drawings. */

import { rangeText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { region, showWhole, zoomBy } from "../../state/region";

const how =
  "Drag a rectangle in a drawing to zoom in; turn the wheel with Ctrl or \u2318 held; " +
  "or press +, \u2212 and 0 in a focused drawing. Drag with Shift held to move.";

function inSightText(): string {
  const now = region.value;
  if (now === null) return "everything; drag a rectangle in a drawing to zoom in";
  return `timesteps ${rangeText(now.rows)}, channels ${rangeText(now.columns)}; drag with Shift held to move`;
}

export function RegionControls() {
  if (quantity.value?.kind === "matrices") return null;
  const isWhole = region.value === null;
  return (
    <fieldset title={how}>
      <legend>In sight</legend>
      <div class="region-buttons">
        <button
          type="button"
          aria-label="Zoom in"
          title="See half as much, twice as large (+)"
          onClick={() => {
            zoomBy(0.5);
          }}
        >
          +
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          title={"See twice as much (\u2212)"}
          disabled={isWhole}
          onClick={() => {
            zoomBy(2);
          }}
        >
          {"\u2212"}
        </button>
        <button type="button" title="See everything again (0)" disabled={isWhole} onClick={showWhole}>
          Show all
        </button>
      </div>
      <p class="hint" role="status">
        {inSightText()}
      </p>
    </fieldset>
  );
}
