/** The picture of each array, made once for the size, arrangement and region on the screen. */

import { type CellArray } from "../../drawing/cell_array";
import { arrange, type Arrangement, type Picture, type Sight } from "../../drawing/picture";
import { type LoadedArray, spansOf } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { type Panel } from "../../state/panels";
import { sightWithin } from "../../state/region";
import { panelPixels } from "../../state/wanted";

const made = new WeakMap<LoadedArray, { key: string; picture: Picture }>();

/** What of an array is in sight; null: all of it. */
export function sightIn(array: LoadedArray): Sight | null {
  return sightWithin(array.matrix, ...array.full_shape);
}

function arrangementOf(run: ShownRun, array: LoadedArray, maxWidth: number, maxHeight: number): Arrangement {
  const sequence = array.matrix === null;
  const bidirectional = sequence && run.layer.directions.length > 1;
  const { across, reflect } = choices.value;
  return {
    transposed: sequence && across === "timesteps",
    boundary: bidirectional ? array.full_shape[1] / 2 : null,
    reflected: bidirectional && reflect,
    sight: sightIn(array),
    maxWidth,
    maxHeight,
  };
}

function cellArrayOf(array: LoadedArray): CellArray {
  const [rows, columns] = array.shape;
  const [fullRows, fullColumns] = array.full_shape;
  const { cells, row_block: rowBlock, column_block: columnBlock, split, reflected } = array;
  return { cells, rows, columns, rowBlock, columnBlock, fullRows, fullColumns, split, reflected, ...spansOf(array) };
}

export function pictureOf({ run, array }: Panel): Picture | null {
  const room = panelPixels.value;
  if (array === null || room === null) return null;
  const arrangement = arrangementOf(run, array, room.width, room.height);
  const key = JSON.stringify(arrangement);
  const before = made.get(array);
  if (before?.key === key) return before.picture;
  const picture = arrange(cellArrayOf(array), arrangement);
  made.set(array, { key, picture });
  return picture;
}
