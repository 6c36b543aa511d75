/** The cell that is pointed at in numbers, with the same cell of the other runs beside it. */

import { quantity } from "../../state/catalogue";
import { nameAmongOthers } from "../../state/columns";
import { panels } from "../../state/panels";
import { pointed } from "../../state/pointing";
import { pictureOf } from "./pictures";
import { reading } from "./wording";

export function Readout() {
  const cell = pointed.value;
  const here = panels.value.find(({ key }) => key === cell?.key);
  const picture = here === undefined ? null : pictureOf(here);
  const read =
    cell === null || here === undefined || picture === null ? null : reading(here, picture, cell.row, cell.column);
  if (cell === null || here === undefined || read === null) {
    return (
      <output class="readout quiet">
        Point at a cell to read its value, or move there with the arrow keys
        {quantity.value?.kind === "matrices" ? "" : "; click it or press Enter to pin its channel to Curves"}. Drag a
        rectangle to zoom in.
      </output>
    );
  }
  const others = panels.value.filter(({ item, key }) => item === here.item && key !== here.key);
  return (
    <output class="readout">
      <span>
        <strong>{nameAmongOthers(here.run, here.array)}</strong> {read.name}: <strong>{read.value}</strong>
        {read.norm === "" ? "" : `; ${read.norm}`}
      </span>
      {others.map((panel) => {
        const beside = pictureOf(panel);
        const other = beside === null ? null : reading(panel, beside, cell.row, cell.column);
        return (
          <span class="quiet" key={panel.key}>
            {nameAmongOthers(panel.run, panel.array)} {other?.value ?? "has no such cell"}
            {other === null || other.norm === "" ? "" : `; ${other.norm}`}
          </span>
        );
      })}
    </output>
  );
}
