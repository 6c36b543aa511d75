/** The way back from all that this browser remembers of how things are drawn; there only where it leads anywhere. */

import { drawAsAtFirst, isDrawnAsAtFirst } from "../state/remembered_choices";

export function ResetDrawing() {
  if (isDrawnAsAtFirst.value) return null;
  return (
    <button
      type="button"
      class="link"
      title={
        "Drawing as it was at first: colours, scale, limits, axes, order and the like back to their defaults, in all views. " +
        "This browser remembers them from visit to visit. Runs, layer, step and what is in sight stay"
      }
      onClick={drawAsAtFirst}
    >
      Reset drawing
    </button>
  );
}
