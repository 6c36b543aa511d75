/** What a panel of curves and a value of it are called, on the screen and for a screen reader. */

import { numberText } from "../../drawing/number_text";
import { columnName, stepText } from "../../state/columns";
import { quantityPhrase } from "../../state/names";
import { cellText, nonFiniteText } from "../heatmap/wording";
import { rowOf, valueOf } from "./pointing";
import { type CurvePanel, extentOfLine, type Line, nonFiniteOf } from "./scene";

/** "4 samples", "one channel". */
function linesText(panel: CurvePanel): string {
  const word = panel.title.startsWith("sample ") ? "channel" : "sample";
  return panel.lines.length === 1 ? `one ${word}` : `${panel.lines.length} ${word}s`;
}

function rangeWords(lines: readonly Line[]): string {
  const ends = lines.map(extentOfLine).flatMap(({ low, high }) => (low === null || high === null ? [] : [low, high]));
  if (ends.length === 0) return "nothing finite";
  const [low, high] = [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))];
  return `from ${numberText(low, 2)} to ${numberText(high, 2)}`;
}

/** "lstm, step 400, encoder output gradient, channel 3: 2 samples over 80 timesteps, from −1e-3 to 9e-4, 2 NaN". */
export function panelLabel(panel: CurvePanel): string {
  const [{ array }] = panel.lines;
  const subject = `${array.layer} ${quantityPhrase(array.quantity)}, ${panel.title}`;
  const over = `${linesText(panel)} over ${array.full_shape[0]} ${array.full_shape[0] === 1 ? "timestep" : "timesteps"}`;
  const found = [over, rangeWords(panel.lines), nonFiniteText(nonFiniteOf(panel.lines))];
  return `${columnName(panel.run)}, ${stepText(array)}, ${subject}: ${found.filter((part) => part !== "").join(", ")}`;
}

/** "sample 0, channel 17 (forward), t = 83". */
export function pointText(panel: CurvePanel, line: Line, timestep: number): string {
  const { array, column } = line;
  const [timesteps, channels] = array.full_shape;
  const row = rowOf(line, timestep) * array.row_block;
  const first = column * array.column_block;
  const cell = cellText(
    panel.run,
    array,
    [row, Math.min(timesteps, row + array.row_block) - 1],
    [first, Math.min(channels, first + array.column_block) - 1],
  );
  return `sample ${array.sample ?? 0}, ${cell}`;
}

/** A rounded array, shown while scrubbing, must not pretend to more digits than it has. */
export function valueText(line: Line, timestep: number): string {
  const value = valueOf(line, timestep);
  if (value === undefined) return "has no such timestep";
  return line.array.dtype === "float32" ? numberText(value) : `about ${numberText(value, 3)}`;
}
