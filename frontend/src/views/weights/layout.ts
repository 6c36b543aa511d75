/** How the matrices share the room. */

import { type Room } from "../room";

export interface WeightsLayout {
  /** Blocks beside each other. */
  across: number;
  /** Matrices beside each other within a block. */
  tall: number;
  /** What one matrix takes with the numbers beside it, and its drawing alone, in CSS pixels. */
  column: number;
  width: number;
  height: number;
}

export interface Gutters {
  /** Left of a drawing, and with scales of their own right of it too. */
  beside: number;
  /** Beside all: the view's own padding, and the shared colour bar. */
  bar: number;
}

export const blockGap = 28;
export const matrixGap = 12;
const narrowest = 150;
const widest = 1200;

/** As many blocks beside each other as keep their drawings legible, evenly over the rows. */
export function layOut(room: Room, blocks: number, tall: number, { beside, bar }: Gutters): WeightsLayout {
  const usable = Math.max(narrowest, room.width - bar);
  const least = tall * (narrowest + beside) + (tall - 1) * matrixGap;
  const fitting = Math.max(1, Math.floor((usable + blockGap) / (least + blockGap)));
  const rows = Math.ceil(Math.max(1, blocks) / fitting);
  const across = Math.ceil(Math.max(1, blocks) / rows);
  const block = (usable - (across - 1) * blockGap) / across;
  const width = Math.floor(Math.max(100, Math.min(widest, (block - (tall - 1) * matrixGap) / tall - beside)));
  const height = Math.floor(Math.max(120, Math.min(520, room.height * 0.36)));
  return { across, tall, column: width + beside, width, height };
}
