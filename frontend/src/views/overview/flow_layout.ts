/** How the gradient-flow maps share the room: a column for each run, its directions below each other. */

import { type Room } from "../room";

export interface FlowLayout {
  /** Runs beside each other; more go on below. */
  across: number;
  /** Of one map, in CSS pixels. */
  width: number;
  height: number;
}

export const gap = 12;
/** Left of a map: the lags, and what they are. */
export const gutter = 42;
/** The view's own padding, and the colour bar. */
const around = 44 + 100;
const narrowest = 100;
const widest = 1200;
/** A map that is lower is no map; one that is higher shows nothing more. */
const lowest = { alone: 160, ofTwo: 90 };
const highest = 460;
/** Where the page has to be scrolled anyway, all directions together get this share of the view's height. */
const shareOfView = 0.34;
/** Above and below a row of runs: the name of a run, and the gap to the next row. */
const besideRow = 20 + 14;
/** Above and below a map: what is written there, the training steps. */
const besideMap = 20;
const titleHeight = 24;
/** The view's padding, and the readout. */
const besideAll = 14 + 10 + 40;

/**
 * As many runs beside each other as keep their maps legible, evenly over the rows. Their height is what is left of the
 * room, so that all is seen at one look where that can be.
 *
 * @param viewHeight Of the whole view; the room is what is left of it.
 */
export function layOut(
  room: Room,
  viewHeight: number,
  runs: number,
  directions: number,
  isTitled: boolean,
): FlowLayout {
  const usable = Math.max(narrowest + gutter, room.width - around);
  const most = Math.max(1, Math.floor((usable + gap) / (narrowest + gutter + gap)));
  const rows = Math.ceil(Math.max(1, runs) / most);
  const across = Math.ceil(Math.max(1, runs) / rows);
  const width = Math.floor((usable - (across - 1) * gap) / across - gutter);
  const left = (room.height - besideAll) / rows - besideRow;
  const fitting = left / directions - besideMap - (isTitled ? titleHeight : 0);
  const least = directions > 1 ? lowest.ofTwo : lowest.alone;
  const height = fitting < least ? (shareOfView * viewHeight) / directions : fitting;
  return {
    across,
    width: Math.max(100, Math.min(widest, width)),
    height: Math.floor(Math.max(least, Math.min(highest, height))),
  };
}
