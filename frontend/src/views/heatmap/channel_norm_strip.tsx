/** The norm of each channel of a matrix, as bars above it. */

import { computed } from "@preact/signals";
import { type Scale } from "../../drawing/colour_scale";
import { quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { areDifferences } from "../../state/columns";
import { panels, scaleKind } from "../../state/panels";
import { pointAt } from "../../state/pointing";
import { normsOf } from "./channel_norms";
import { type MarginalsProps, Strip } from "./marginal_strip";
import { cellAtPixel } from "./places";

/** Of a difference they are not known. */
export const haveChannelNorms = computed(
  () => choices.value.marginals && quantity.value?.kind === "matrices" && !areDifferences.value,
);

/** The largest norm of a matrix in all runs and steps that are shown: their bars can be compared. */
const largestNorms = computed<ReadonlyMap<string, number>>(() => {
  const found = new Map<string, number>();
  for (const { item, array } of panels.value) {
    found.set(item, Math.max(found.get(item) ?? 0, array?.largest_channel_norm ?? 0));
  }
  return found;
});

const meaning =
  "The L2 norm of each channel, a column: of all the numbers that drive one unit in one gate. A bar alone above the others " +
  "is a unit that dominates, a gap one that is dead. The highest is the largest of all runs that are shown";

/** None above a matrix of one row: its cells say the same. */
export function ChannelNormStrip({ panel, array, picture, map, size }: MarginalsProps) {
  if (array.channel_norms === null || array.full_shape[0] === 1) return null;
  const limit = largestNorms.value.get(panel.item) ?? 0;
  const kind = scaleKind.value === "linear" ? "linear" : "log";
  const scale: Scale = { kind, decades: choices.value.decades, limit, low: 0, high: limit };
  const onPointerMove = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * picture.width);
    if (x >= 0 && x < picture.width) pointAt({ key: panel.key, ...cellAtPixel(array, picture, x, 0) });
  };
  return (
    <Strip
      side="top"
      of="channel"
      name="L2 norm of each channel"
      meaning={meaning}
      lines={[normsOf(array, picture)]}
      scale={scale}
      map={map}
      size={size}
      panel={panel}
      onPointerMove={onPointerMove}
      onPointerLeave={() => {
        pointAt(null);
      }}
    />
  );
}
