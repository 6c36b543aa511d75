/** The shapes of matrices: the series does not tell them, so they are known once an array has come. */

import { signal } from "@preact/signals";
import { type ArrayHeader } from "../api";

export type Shape = readonly [rows: number, columns: number];

const known = signal<ReadonlyMap<string, Shape>>(new Map());

function keyOf(run: string, layer: string, matrix: string): string {
  return JSON.stringify([run, layer, matrix]);
}

export function noteShapes(arrays: readonly Pick<ArrayHeader, "run" | "layer" | "matrix" | "full_shape">[]): void {
  const news = arrays.flatMap(({ run, layer, matrix, full_shape: shape }) => {
    const key = matrix === null ? null : keyOf(run, layer, matrix);
    return key === null || known.peek().get(key)?.join() === shape.join() ? [] : [[key, shape] as const];
  });
  // Who looks at shapes is not told of every array.
  if (news.length > 0) known.value = new Map([...known.peek(), ...news]);
}

export function shapeOf(run: string, layer: string, matrix: string): Shape | null {
  return known.value.get(keyOf(run, layer, matrix)) ?? null;
}
