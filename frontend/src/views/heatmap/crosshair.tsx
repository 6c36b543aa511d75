/** Lines through the cell that is pointed at. Only this is drawn anew when the pointer moves. */

import { type Picture } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";
import { pointed } from "../../state/pointing";
import { type Drawn } from "./layout";
import { pixelOfCell } from "./places";

interface CrosshairProps {
  array: LoadedArray;
  picture: Picture;
  size: Drawn;
  panelKey: string;
}

export function Crosshair({ array, picture, size, panelKey }: CrosshairProps) {
  const cell = pointed.value;
  const pixel = cell === null ? null : pixelOfCell(array, picture, cell.row, cell.column);
  if (cell === null || pixel === null) return null;
  const width = size.width / picture.width;
  const height = size.height / picture.height;
  const left = `${pixel.x * width}px`;
  const top = `${pixel.y * height}px`;
  return (
    <div class={cell.key === panelKey ? "crosshair here" : "crosshair"} aria-hidden="true">
      <i style={{ left, top: 0, width: `${Math.max(1, width)}px`, height: `${size.height}px` }} />
      <i style={{ top, left: 0, height: `${Math.max(1, height)}px`, width: `${size.width}px` }} />
      <b style={{ left, top, width: `${width}px`, height: `${height}px` }} />
    </div>
  );
}
