/** How the gradient-flow maps share the room: a column for each run, its directions below each other. */

import { type Room } from "../room";

export interface FlowLayout {
  /** Runs beside each other; more go on below. */
  across: number;
  /** Of one map, in CSS pixels. */
  width: number;
  height: number;
}

export const gap = 20;
/** Left of a map: the lags, and what they are. */
export const gutter = 46;
/** The view's own padding, and the colour bar. */
const around = 44 + 100;
const narrowest = 150;
const widest = 1200;

/** As many runs beside each other as keep their maps legible, evenly over the rows. */
export function layOut(room: Room, runs: number, directions: number): FlowLayout {
  const usable = Math.max(narrowest + gutter, room.width - around);
  const fitting = Math.max(1, Math.floor((usable + gap) / (narrowest + gutter + gap)));
  const blocks = Math.ceil(Math.max(1, runs) / fitting);
  const across = Math.ceil(Math.max(1, runs) / blocks);
  const width = Math.floor((usable - (across - 1) * gap) / across - gutter);
  const least = directions > 1 ? 120 : 170;
  const height = Math.floor(Math.max(least, Math.min(320, (room.height * 0.34) / directions)));
  return { across, width: Math.max(100, Math.min(widest, width)), height };
}
