/** What is in sight: zoomed by buttons here, by drag, wheel and keys in the drawings. */

import { type ComponentChildren } from "preact";
import { rangeText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { regionOf, showWhole, type Subject, zoomBy } from "../../state/region";

const how =
  "Drag a rectangle in a drawing to zoom in; turn the wheel with Ctrl or \u2318 held; " +
  "or press +, \u2212 and 0 in a focused drawing. Drag with Shift held to move.";

interface InSightProps {
  of: Subject;
  /** Whether there is nothing to be shown again. */
  isAll: boolean;
  onShowAll: () => void;
  children: ComponentChildren;
}

/** The buttons, for what is zoomed by them, and below them what is in sight. */
export function InSight({ of, isAll, onShowAll, children }: InSightProps) {
  return (
    <fieldset title={how}>
      <legend>In sight</legend>
      <div class="region-buttons">
        <button
          type="button"
          aria-label="Zoom in"
          title="See half as much, twice as large (+)"
          onClick={() => {
            zoomBy(of, 0.5);
          }}
        >
          +
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          title={"See twice as much (\u2212)"}
          disabled={regionOf(of) === null}
          onClick={() => {
            zoomBy(of, 2);
          }}
        >
          {"\u2212"}
        </button>
        <button type="button" title="See everything again (0)" disabled={isAll} onClick={onShowAll}>
          Show all
        </button>
      </div>
      {children}
    </fieldset>
  );
}

function inSightText(): string {
  const now = regionOf(null);
  if (now === null) return "everything; drag a rectangle in a drawing to zoom in";
  return `timesteps ${rangeText(now.rows)}, channels ${rangeText(now.columns)}; drag with Shift held to move`;
}

/** Of sequences. */
export function RegionControls() {
  if (quantity.value?.kind === "matrices") return null;
  const showAll = () => {
    showWhole(null);
  };
  return (
    <InSight of={null} isAll={regionOf(null) === null} onShowAll={showAll}>
      <p class="hint" role="status">
        {inSightText()}
      </p>
    </InSight>
  );
}
