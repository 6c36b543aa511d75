/** A panel of curves as it is taken away. */

import { curveNumbers, type CurveSource } from "../../take_away/panel_numbers";
import { panelWords } from "../../take_away/panel_words";
import { type Takeable } from "../../take_away/takeable";
import { type CurvePanel, type Line } from "./scene";

function sourceOf({ array, column, label }: Line): CurveSource {
  const first = column * array.column_block;
  const count = Math.min(array.column_block, array.full_shape[1] - first);
  return { array, channels: Array.from({ length: count }, (_, i) => first + i), label };
}

export function takeableCurves({ run, lines, title }: CurvePanel): Takeable {
  return {
    ...panelWords(run, lines[0].array, title),
    numbers: () => curveNumbers(run, lines.map(sourceOf)),
  };
}
