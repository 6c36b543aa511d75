/** What of the matrices is in sight: each is zoomed into by itself, in all runs. */

import { signal } from "@preact/signals";
import { rangeText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { items } from "../../state/panels";
import { regionOf, showWhole, showWholeMatrices, zoomedMatrices } from "../../state/region";
import { Select } from "../../ui/controls";
import { InSight } from "./region_controls";

/** The matrix that the buttons zoom into; null: the first. Not in the address: no drawing depends on it. */
const chosen = signal<string | null>(null);

function Region({ matrix }: { matrix: string }) {
  const region = regionOf(matrix);
  if (region === null) return null;
  return (
    <li>
      {matrix}: rows {rangeText(region.rows)}, columns {rangeText(region.columns)}{" "}
      <button
        type="button"
        class="link"
        aria-label={`Show all of ${matrix}`}
        title="See all of this matrix again (0)"
        onClick={() => {
          showWhole(matrix);
        }}
      >
        show all
      </button>
    </li>
  );
}

export function MatrixRegionControls() {
  const found = items.value;
  if (quantity.value?.kind !== "matrices" || found.length === 0) return null;
  // An address may name matrices that these layers do not have.
  const zoomed = zoomedMatrices.value.filter((matrix) => found.includes(matrix));
  const matrix = found.find((item) => item === chosen.value) ?? found[0];
  return (
    <InSight of={matrix} isAll={zoomed.length === 0} onShowAll={showWholeMatrices}>
      <Select
        id="zoomed-matrix"
        label="Buttons zoom"
        title="Which matrix + and − zoom; each is zoomed by itself, the same one in all runs"
        value={matrix}
        options={found.map((item) => [item, item])}
        onChange={(value) => {
          chosen.value = value;
        }}
      />
      <div role="status">
        {zoomed.length === 0 ? null : (
          <ul class="zoomed-matrices">
            {zoomed.map((one) => (
              <Region key={one} matrix={one} />
            ))}
          </ul>
        )}
        <p class="hint">
          {zoomed.length === 0
            ? "everything; drag a rectangle in a matrix to zoom in"
            : "all else is whole; drag with Shift held to move"}
        </p>
      </div>
    </InSight>
  );
}
