/** Marks at the edge of a drawing where its pinned channels are. */

import { type Picture } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";
import { type Drawn } from "./layout";
import { pinnedChannels } from "./pinned";
import { placeOf } from "./places";

/** More are a line along the whole edge, which says nothing. */
const mostMarks = 64;

function pixelAcross({ parts }: Picture, place: number): number | undefined {
  for (const { first, columns } of parts) {
    const at = columns.findIndex(([low, high]) => low <= place && place <= high);
    if (at >= 0) return first + at;
  }
  return undefined;
}

export function PinMarks({ array, picture, size }: { array: LoadedArray; picture: Picture; size: Drawn }) {
  const pinned = pinnedChannels.value;
  if (pinned.length === 0 || pinned.length > mostMarks) return null;
  const { transposed, width, height } = picture;
  const pixel = transposed ? size.height / height : size.width / width;
  return (
    <div class={transposed ? "pin-marks" : "pin-marks below"} aria-hidden="true">
      {pinned.map((channel) => {
        const at = pixelAcross(picture, placeOf(array, channel));
        if (at === undefined) return null;
        return <i key={channel} style={{ [transposed ? "top" : "left"]: `${(at + 0.5) * pixel}px` }} />;
      })}
    </div>
  );
}
