/** The cell that is pointed at, in every panel at once. */

import { signal } from "@preact/signals";

export interface PointedCell {
  /** The panel that the pointer or the keyboard is on. */
  key: string;
  /** Indices in the full array. */
  row: number;
  column: number;
}

export const pointed = signal<PointedCell | null>(null);

export function pointAt(cell: PointedCell | null): void {
  const now = pointed.peek();
  if (now?.key !== cell?.key || now?.row !== cell?.row || now?.column !== cell?.column) pointed.value = cell;
}
