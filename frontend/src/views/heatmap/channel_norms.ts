/** The norms of a matrix's channels, as far as they are in sight. */

import { numberText } from "../../drawing/number_text";
import { type Picture } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";

/** The same for the same picture: a strip is painted again only when its values are others. */
const made = new WeakMap<Picture, Float32Array>();

/** The largest; one that is no number is larger than any. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => (Number.isNaN(most) || value <= most ? most : value), 0);
}

/** One for each pixel across, the largest of those it stands for; NaN where one of them is not finite. */
export function normsOf({ channel_norms: norms }: Pick<LoadedArray, "channel_norms">, picture: Picture): Float32Array {
  const known = made.get(picture);
  if (known !== undefined) return known;
  if (norms === null) return new Float32Array(0);
  const cells = picture.parts.flatMap(({ columnCells }) => columnCells);
  const found = Float32Array.from(cells, ([first, last]) => largest(norms.subarray(first, last + 1)));
  made.set(picture, found);
  return found;
}

/** "L2 norm of the channel 0.83"; "" where none is known. */
export function normText(array: LoadedArray, picture: Picture, x: number): string {
  if (array.channel_norms === null) return "";
  const [part] = picture.parts;
  const [first, last] = part.columns[x];
  const norm = normsOf(array, picture)[x];
  const whose = first === last ? "L2 norm of its channel" : "largest L2 norm of its channels";
  return `${whose} ${Number.isNaN(norm) ? "is not finite" : numberText(norm)}`;
}
