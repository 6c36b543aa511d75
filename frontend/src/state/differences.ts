/** The difference of two arrays that were fetched, made once a pair. */

import { subtracted } from "../drawing/difference";
import { several } from "../drawing/number_text";
import { summarise } from "../drawing/summary";
import { type LoadedArray } from "./arrays";
import { stepsOfDifference } from "./columns";

const made = new WeakMap<LoadedArray, WeakMap<LoadedArray, LoadedArray>>();

/** What is left of one array when the other is taken away; all that is said of it is said of the first. */
export function differenceOf(one: LoadedArray, other: LoadedArray): LoadedArray {
  const known = made.get(one)?.get(other);
  if (known !== undefined) return known;
  const { cells, nan, inf } = subtracted(one.cells, other.cells);
  const own = { cells, nan, inf, ...summarise(cells), marginals: null, channel_norms: null };
  const found: LoadedArray = { ...one, dtype: "float32", ...own, ...stepsOfDifference(one, other) };
  const of = made.get(one) ?? new WeakMap<LoadedArray, LoadedArray>();
  made.set(one, of.set(other, found));
  return found;
}

function sizeText({ full_shape: [rows, columns], matrix }: LoadedArray): string {
  return matrix === null ? `${several(rows, "timestep")} × ${several(columns, "channel")}` : `${rows} × ${columns}`;
}

/** Why there is no difference; null when there is one. */
export function mismatchOf(one: LoadedArray, other: LoadedArray): string | null {
  if (one.full_shape.join() === other.full_shape.join()) return null;
  return (
    "Only arrays of equal shape can be subtracted: " +
    `${one.run} has ${sizeText(one)}, ${other.run} ${sizeText(other)}.`
  );
}

/** Blocks of several cells hold each the largest value, which says nothing of the largest difference; nor do regions. */
export function isWhole({ shape, full_shape, channels }: LoadedArray): boolean {
  return shape.join() === full_shape.join() && channels === null;
}
