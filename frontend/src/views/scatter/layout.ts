/** How the runs share the room: each has its dots, and to their right the distribution. */

import { type Room } from "../room";

export interface ScatterLayout {
  /** Runs beside each other. */
  columns: number;
  /** The width of all that a run has. */
  column: number;
  /** The widths of its two drawings. */
  dots: number;
  distribution: number;
  height: number;
}

/** Numbers to the left of the dots, the space between both drawings, that between runs, and the view's own padding. */
const gutters = { axis: 56, between: 24, runs: 28, padding: 44, around: 130, beside: 74 };
const narrowest = 420;
const limits = { lowest: 150, highest: 420, distribution: 300 };

export function layOutScatter(room: Room, runs: number): ScatterLayout {
  const usable = Math.max(300, room.width - gutters.padding);
  const fitting = Math.max(1, Math.floor((usable + gutters.runs) / (narrowest + gutters.runs)));
  // Eight runs where five fit are two rows of four, not five and three.
  const rows = Math.ceil(Math.max(1, runs) / fitting);
  const columns = Math.ceil(Math.max(1, runs) / rows);
  const column = Math.floor((usable - (columns - 1) * gutters.runs) / columns);
  const drawn = column - gutters.axis - gutters.between;
  const distribution = Math.floor(Math.min(limits.distribution, drawn * 0.32));
  const height = (room.height - gutters.around) / rows - gutters.beside;
  return {
    columns,
    column,
    dots: drawn - distribution,
    distribution,
    height: Math.floor(Math.max(limits.lowest, Math.min(limits.highest, height))),
  };
}
