/** Which value of a panel is pointed at: a timestep of one of its curves. */

import { type Plane, timestepAt, yOf } from "../../drawing/curves";
import { pointAt, type PointedCell } from "../../state/pointing";
import { type CurvePanel, type Line } from "./scene";
import { curveTable } from "./curve_table";

/** The row of an array that holds a timestep. */
export function rowOf({ array }: Line, timestep: number): number {
  return Math.floor(timestep / array.row_block);
}

export function valueOf(line: Line, timestep: number): number | undefined {
  return curveTable(line.array).curves[line.column].at(rowOf(line, timestep));
}

/** The curve that passes nearest to a height at a timestep; the first where none has a finite value there. */
function nearestLine(panel: CurvePanel, plane: Plane, timestep: number, y: number): number {
  let nearest = 0;
  let distance = Infinity;
  panel.lines.forEach((line, i) => {
    const value = valueOf(line, timestep) ?? NaN;
    const off = Number.isFinite(value) ? Math.abs(yOf(plane, value) - y) : Infinity;
    if (off < distance) [nearest, distance] = [i, off];
  });
  return nearest;
}

/** Points at what is nearest to a place of the drawing, in device pixels. */
export function pointAtPlace(panel: CurvePanel, plane: Plane, x: number, y: number): void {
  const row = timestepAt(plane, x);
  pointAt({ key: panel.key, row, column: nearestLine(panel, plane, row, y) });
}

/** The curve of a panel that is pointed at. */
export function pointedLine(panel: CurvePanel, cell: PointedCell | null): Line | undefined {
  return cell?.key === panel.key ? panel.lines.at(cell.column) : undefined;
}
