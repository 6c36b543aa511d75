/** The dot that is pointed at in numbers, with the same dot of the other runs beside it. */

import { pointed } from "../../state/pointing";
import { allDots } from "./scene";
import { dotText, dotValue } from "./wording";

export function ScatterReadout() {
  const cell = pointed.value;
  const here = allDots.value.find(({ key }) => key === cell?.key);
  const text = cell === null || here === undefined ? null : dotText(here, cell.row, cell.column);
  if (cell === null || here === undefined || text === null) {
    return (
      <output class="readout quiet">
        Point at a dot to read its value; in a focused drawing the arrow keys move from dot to dot.
      </output>
    );
  }
  return (
    <output class="readout">
      <span>
        <strong>{here.run.run}</strong> {text}: <strong>{dotValue(here, cell.row, cell.column)}</strong>
      </span>
      {allDots.value
        .filter((dots) => dots !== here)
        .map((dots) => (
          <span class="quiet" key={dots.key}>
            {dots.run.run} {dotValue(dots, cell.row, cell.column) ?? "has no such dot"}
          </span>
        ))}
    </output>
  );
}
