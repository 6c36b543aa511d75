/** How the panels share the room: columns are runs, rows are samples or matrices; of one run alone, samples fill both. */

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
  /** Panels of one run beside each other. */
  across: number;
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

function usableWidth(room: Room, { bar }: Gutters): number {
  return Math.max(narrowest, room.width - bar);
}

/** How many panels are legible beside each other. */
function fittingIn(usable: number, { beside }: Gutters): number {
  return Math.max(1, Math.floor((usable + gap) / (narrowest + beside + gap)));
}

function widthOf(usable: number, columns: number, { beside }: Gutters): number {
  return (usable - (columns - 1) * gap) / columns - beside;
}

export function layOut(room: Room, runs: number, rows: number, gutters: Gutters): GridLayout {
  const usable = usableWidth(room, gutters);
  // Eight runs where five fit are two rows of four, not five and three.
  const blocks = Math.ceil(Math.max(1, runs) / fittingIn(usable, gutters));
  const columns = Math.ceil(Math.max(1, runs) / blocks);
  const width = widthOf(usable, columns, gutters);
  const isNarrow = width < gutters.line;
  const headings = blocks * (gutters.heading + (isNarrow ? secondLine : 0));
  const height = (room.height - headings) / Math.max(1, rows * blocks) - gutters.above;
  return {
    columns,
    across: 1,
    width: within(width, narrowest, widest),
    height: within(height, lowest, highest),
  };
}

/** The samples of the only run: below each other while all are in sight so, else in as many columns as that takes. */
export function layOutSamples(room: Room, samples: number, gutters: Gutters): GridLayout {
  const usable = usableWidth(room, gutters);
  const inSight = Math.max(1, Math.floor((room.height - gutters.heading) / (lowest + gutters.above)));
  const wished = Math.max(1, Math.min(fittingIn(usable, gutters), Math.ceil(samples / inSight)));
  const rows = Math.max(1, Math.ceil(samples / wished));
  // Six samples where four fit beside each other are two rows of three.
  const across = Math.max(1, Math.ceil(samples / rows));
  return {
    columns: 1,
    across,
    width: within(widthOf(usable, across, gutters), narrowest, widest),
    height: within((room.height - gutters.heading) / rows - gutters.above, lowest, highest),
  };
}
