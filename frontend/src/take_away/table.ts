/** Numbers as they are taken away. */

/** An array; where it has one axis only, of one row. */
export interface Matrix {
  kind: "matrix";
  cells: Float32Array;
  /** As it was logged: (rows, columns), or (columns). */
  shape: readonly [number, number] | readonly [number];
  /** What a row is of: "timestep". */
  rowName: string;
  /** Which each row is of; left out: from 0 on. */
  rowLabels?: readonly number[];
  columnNames: readonly string[];
}

export type FieldType = "text" | "integer" | "float";

export interface Field {
  name: string;
  type: FieldType;
  values: readonly (string | number)[];
}

/** Lines of several fields, all equally long. */
export interface Lines {
  kind: "lines";
  fields: readonly Field[];
}

export type Table = Matrix | Lines;

export function lineCount({ fields }: Lines): number {
  return fields.at(0)?.values.length ?? 0;
}
