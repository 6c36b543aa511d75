/** Which gates a matrix is made of. */

import { type Layer } from "../api";

/** The projection of an LSTM's state has no gates, whatever its width. */
const ungated = "projection_kernel";

/**
 * The gates whose blocks, all equally wide, are the columns of a matrix, in their order; none where it is one block.
 *
 * @param matrix Its name, "forward/kernel".
 */
export function gatesOf({ gates }: Pick<Layer, "gates">, matrix: string, columns: number): readonly string[] {
  return matrix.endsWith(`/${ungated}`) || columns % gates.length !== 0 ? [] : gates;
}
