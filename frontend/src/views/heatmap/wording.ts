/** What a panel and a cell are called, on the screen and for a screen reader. */

import { indicesText, numberText, rangeText } from "../../drawing/number_text";
import { cellAt, numberOf, type Picture } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";
import { type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { columnName, stepText } from "../../state/columns";
import { gatesOf } from "../../state/matrix_gates";
import { quantityPhrase } from "../../state/names";
import { type Panel } from "../../state/panels";
import { normText } from "./channel_norms";
import { channelsAt, pixelOfCell } from "./places";

/** "2 NaN, 1 Inf", or "" when every cell is finite. */
export function nonFiniteText({ nan, inf }: Pick<LoadedArray, "nan" | "inf">): string {
  return [nan > 0 ? `${nan} NaN` : "", inf > 0 ? `${inf} Inf` : ""].filter((part) => part !== "").join(", ");
}

/** What runs down and to the right. */
function sequenceAxes(): string {
  const { across, sort } = choices.value;
  const channels = sort === "number" ? "channels" : "sorted channels";
  return across === "timesteps" ? `${channels} by timesteps` : `timesteps by ${channels}`;
}

/** "lstm, step 400, encoder/bilstm output gradient, sample 0: channels by timesteps, from −1.2e-3 to 9.8e-4, 2 NaN". */
export function panelLabel(panel: Panel, array: LoadedArray): string {
  const axes = array.matrix === null ? sequenceAxes() : "inputs by gates and units";
  const { low, high } = array;
  const values =
    low === null || high === null ? "nothing finite" : `from ${numberText(low, 2)} to ${numberText(high, 2)}`;
  const subject = `${array.layer} ${quantityPhrase(array.quantity)}, ${panel.item}`;
  const found = [axes, values, nonFiniteText(array)].filter((part) => part !== "").join(", ");
  return `${columnName(panel.run)}, ${stepText(array)}, ${subject}: ${found}`;
}

type Span = readonly [number, number];

function isOne([first, last]: Span): boolean {
  return first === last;
}

function directionOf({ layer }: ShownRun, channel: number, channels: number): string {
  if (layer.directions.length < 2) return "";
  return ` (${layer.directions[channel < channels / 2 ? 0 : 1]})`;
}

/** "filter 3, row 2, column 5": the channels of a convolutional layer are filter by filter, each row by row. */
function filterText(space: readonly number[], channel: number): string {
  const axes = ["plane", "row", "column"].slice(-space.length);
  const places: string[] = [];
  let filter = channel;
  for (let axis = space.length - 1; axis >= 0; axis -= 1) {
    places.unshift(`${axes[axis]} ${filter % space[axis]}`);
    filter = Math.floor(filter / space[axis]);
  }
  return [`filter ${filter}`, ...places].join(", ");
}

/** "channel 17 (forward)", "filter 3, row 2, column 5". */
export function channelText(run: ShownRun, columns: Span, channels: number): string {
  const { directions, space } = run.layer;
  const direction = directionOf(run, columns[0], channels);
  if (isOne(columns) && space.length > 0 && space.length <= 3) {
    return `${filterText(space, columns[0] % (channels / directions.length))}${direction}`;
  }
  return `${isOne(columns) ? "channel" : "channels"} ${rangeText(columns)}${direction}`;
}

const mostListed = 6;

/** "channels 3, 17 (forward)": those at neighbouring places, which may have any numbers. */
function channelsText(run: ShownRun, array: LoadedArray, places: Span): string {
  const found = channelsAt(array, places);
  const channels = array.full_shape[1];
  if (isOne(places)) return channelText(run, [found[0], found[0]], channels);
  const direction = directionOf(run, found[0], channels);
  return found.length > mostListed
    ? `${found.length} channels${direction}`
    : `channels ${indicesText(found)}${direction}`;
}

/** Columns of a kernel are gates × units, a block a gate. Pooled ones may be of two gates: those have no unit. */
function unitText({ layer }: ShownRun, matrix: string, columns: Span, width: number): string {
  const gates = gatesOf(layer, matrix, width);
  const units = width / gates.length;
  const [gate, last] = columns.map((column) => gates[Math.floor(column / units)]);
  if (gates.length < 2 || gate !== last) {
    return `${isOne(columns) ? "column" : "columns"} ${rangeText(columns)}`;
  }
  const within: Span = [columns[0] % units, columns[1] % units];
  return `${gate} gate, ${isOne(within) ? "unit" : "units"} ${rangeText(within)}`;
}

/** Whether the layer passed on one timestep only: the last. */
export function isLastOnly({ matrix, full_shape }: Pick<LoadedArray, "matrix" | "full_shape">): boolean {
  return matrix === null && full_shape[0] === 1;
}

/** "channel 17 (forward), t = 83", "largest of channels 16–19, t = 80–81". Columns are places. */
export function cellText(run: ShownRun, array: LoadedArray, rows: Span, columns: Span): string {
  const largest = isOne(rows) && isOne(columns) ? "" : "largest of ";
  if (array.matrix === null) {
    const time = isLastOnly(array) ? "last timestep" : `t = ${rangeText(rows)}`;
    const channels =
      array.channels === null ? channelText(run, columns, array.full_shape[1]) : channelsText(run, array, columns);
    return `${largest}${channels}, ${time}`;
  }
  const row = `${isOne(rows) ? "row" : "rows"} ${rangeText(rows)}`;
  return `${largest}${row}, ${unitText(run, array.matrix, columns, array.full_shape[1])}`;
}

/** A rounded array, shown while scrubbing, must not pretend to more digits than it has. */
export function valueText(picture: Picture, x: number, y: number): string {
  const value = numberOf(picture.cells, y * picture.width + x);
  return picture.cells instanceof Float32Array ? numberText(value) : `about ${numberText(value, 3)}`;
}

/** What a cell of the full array is called and holds; null where it is not in sight, or the array has no such cell. */
export function reading(
  panel: Panel,
  picture: Picture,
  row: number,
  column: number,
): { name: string; value: string; norm: string } | null {
  const pixel = panel.array === null ? null : pixelOfCell(panel.array, picture, row, column);
  if (pixel === null || panel.array === null) return null;
  const { rows, columns } = cellAt(picture, pixel.x, pixel.y);
  return {
    name: `${panel.item}, ${cellText(panel.run, panel.array, rows, columns)}`,
    value: valueText(picture, pixel.x, pixel.y),
    norm: normText(panel.array, picture, pixel.x),
  };
}
