/** The picture of each array, made once for the size and arrangement on the screen. */

import { arrange, type Picture } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";
import { arrangementOf, type Panel } from "../../state/panels";
import { panelPixels } from "../../state/wanted";

const made = new WeakMap<LoadedArray, { key: string; picture: Picture }>();

export function pictureOf({ run, array }: Panel): Picture | null {
  const room = panelPixels.value;
  if (array === null || room === null) return null;
  const arrangement = arrangementOf(run, array, room.width, room.height);
  const key = Object.values(arrangement).join();
  const before = made.get(array);
  if (before?.key === key) return before.picture;
  const [rows, columns] = array.shape;
  const [fullRows, fullColumns] = array.full_shape;
  const { cells, row_block: rowBlock, column_block: columnBlock } = array;
  const picture = arrange({ cells, rows, columns, rowBlock, columnBlock, fullRows, fullColumns }, arrangement);
  made.set(array, { key, picture });
  return picture;
}
