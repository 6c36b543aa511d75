/** The value that is pointed at in numbers, with the panel's other curves at the same timestep. */

import { choices } from "../../state/choices";
import { nameAmongOthers } from "../../state/columns";
import { pointed } from "../../state/pointing";
import { pointedLine } from "./pointing";
import { panelWithKey } from "./scene";
import { pointText, valueText } from "./wording";

const mostOthers = 7;

export function CurveReadout() {
  const cell = pointed.value;
  const panel = cell === null ? undefined : panelWithKey(cell.key);
  const line = panel === undefined ? undefined : pointedLine(panel, cell);
  if (cell === null || panel === undefined || line === undefined) {
    return (
      <output class="readout quiet">
        {choices.value.open === null
          ? "Point at a curve to read its value; click a panel, or its name, to open it large."
          : "Drag to zoom in, double-click to see all. Keys: arrows move along and between the curves, + \u2212 0 zoom, Escape goes back."}
      </output>
    );
  }
  const others = panel.lines.filter((other) => other !== line);
  return (
    <output class="readout">
      <span>
        <strong>{nameAmongOthers(panel.run, line.array)}</strong> {pointText(panel, line, cell.row)}:{" "}
        <strong>{valueText(line, cell.row)}</strong>
      </span>
      {others.slice(0, mostOthers).map((other) => (
        <span class="quiet" key={other.label}>
          {other.label} {valueText(other, cell.row)}
        </span>
      ))}
      {others.length > mostOthers ? <span class="quiet">and {others.length - mostOthers} more</span> : null}
    </output>
  );
}
