/** Arrays to the last cell and digit, whatever the screen has of them: for what is taken away. */

import { asItIs, fetchArrays } from "../api";
import { type LoadedArray } from "./arrays";
import { type ShownRun } from "./catalogue";
import { differenceOf } from "./differences";

type Item = Pick<LoadedArray, "sample" | "matrix">;

async function fetchWhole({ run, layer, quantity }: ShownRun, step: number, item: Item): Promise<LoadedArray> {
  const answer = await fetchArrays({
    runs: [{ run, layer: layer.layer, step }],
    quantity: quantity.quantity,
    samples: item.sample === null ? [] : [item.sample],
    matrices: item.matrix === null ? [] : [item.matrix],
    layout: asItIs,
    dtype: "float32",
  });
  const found = answer.arrays.find(({ sample, matrix }) => sample === item.sample && matrix === item.matrix);
  if (found === undefined) throw new Error(answer.missing.at(0)?.reason ?? `${run} has nothing of step ${step}`);
  return found;
}

/** What a panel shows a part of, or shows rounded; of a difference, that of the whole arrays. */
export async function wholeOf(run: ShownRun, array: LoadedArray): Promise<LoadedArray> {
  if (run.minus === null) return fetchWhole(run, array.step, array);
  const [one, other] = await Promise.all([
    fetchWhole(run, array.step, array),
    fetchWhole(run.minus, array.minusStep ?? array.step, array),
  ]);
  return differenceOf(one, other);
}
