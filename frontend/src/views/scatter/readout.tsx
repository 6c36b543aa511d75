/** The dot that is pointed at in numbers, with the same dot of the other runs beside it. */

import { nameAmongOthers } from "../../state/columns";
import { pointed } from "../../state/pointing";
import { allDots, type Dots } from "./scene";
import { dotText, dotValue } from "./wording";

function nameOf({ run, samples }: Dots): string {
  return nameAmongOthers(run, samples.at(0)?.array ?? null);
}

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
        <strong>{nameOf(here)}</strong> {text}: <strong>{dotValue(here, cell.row, cell.column)}</strong>
      </span>
      {allDots.value
        .filter((dots) => dots !== here)
        .map((dots) => (
          <span class="quiet" key={dots.key}>
            {nameOf(dots)} {dotValue(dots, cell.row, cell.column) ?? "has no such dot"}
          </span>
        ))}
    </output>
  );
}
