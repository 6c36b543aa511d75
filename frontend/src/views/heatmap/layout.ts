/** How the panels share the room: columns are runs, rows are samples or matrices. */

import { type Room } from "../room";

/** A drawing's size on the screen, in CSS pixels. */
export interface Drawn {
  width: number;
  height: number;
}

export interface Gutters {
  /** Left and right of a panel's drawing: tick numbers, the names of the directions, a colour bar of its own. */
  beside: number;
  /** Above and below a drawing: its title and the tick numbers. */
  above: number;
  /** Above each block of runs: their names. */
  heading: number;
  /** To the right of the whole grid: the shared colour bar. */
  bar: number;
  /** What a run's heading needs to stand in one line. */
  line: number;
}

export interface GridLayout {
  /** Runs beside each other; more runs go on below. */
  columns: number;
  /** The room of one drawing, in CSS pixels. */
  width: number;
  height: number;
}

export const gap = 20;
const narrowest = 190;
const widest = 2400;
const lowest = 130;
const highest = 1200;
/** What the second line of a heading takes in a narrow column. */
const secondLine = 18;

function within(value: number, least: number, most: number): number {
  return Math.floor(Math.max(least, Math.min(most, value)));
}

export function layOut(room: Room, runs: number, rows: number, gutters: Gutters): GridLayout {
  const usable = Math.max(narrowest, room.width - gutters.bar);
  const fitting = Math.max(1, Math.floor((usable + gap) / (narrowest + gutters.beside + gap)));
  // Eight runs where five fit are two rows of four, not five and three.
  const blocks = Math.ceil(Math.max(1, runs) / fitting);
  const columns = Math.ceil(Math.max(1, runs) / blocks);
  const width = (usable - (columns - 1) * gap) / columns - gutters.beside;
  const isNarrow = width < gutters.line;
  const headings = blocks * (gutters.heading + (isNarrow ? secondLine : 0));
  const height = (room.height - headings) / Math.max(1, rows * blocks) - gutters.above;
  return {
    columns,
    width: within(width, narrowest, widest),
    height: within(height, lowest, highest),
  };
}
