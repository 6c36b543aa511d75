/** A gradient-flow map as it is taken away: a row for each step, a column for each point of the profiles. */

import { type Profiles } from "../../state/profiles";
import { type Matrix } from "../../take_away/table";

type Logged = Pick<Profiles, "steps" | "blocks" | "norms" | "shape">;

export function flowNumbers({ steps, blocks, norms, shape }: Logged): Matrix {
  const [block = 1, ...others] = new Set(blocks);
  // Thinned by different blocks, as sequences of different lengths are, a point is of another timestep at each step.
  const nameOf = (point: number) => (others.length === 0 ? `t = ${point * block}` : `point ${point}`);
  const columnNames = Array.from({ length: shape[1] }, (_, point) => nameOf(point));
  return { kind: "matrix", cells: norms, shape, rowName: "step", rowLabels: steps, columnNames };
}
