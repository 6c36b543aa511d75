/** Tables as comma-separated values, RFC 4180, with numbers as numpy and pandas read them. */

import { lineCount, type Lines, type Matrix, type Table } from "./table";

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function notFiniteText(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** As few digits as tell the number from all others; the sign of zero too, which String() leaves out. */
function numpyText(value: number): string {
  if (!Number.isFinite(value)) return notFiniteText(value);
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Nine digits tell every float32 from its neighbours. */
function float32Text(value: number): string {
  return numpyText(value === 0 ? value : Number(value.toPrecision(9)));
}

function valueText(value: string | number): string {
  return typeof value === "string" ? quoted(value) : numpyText(value);
}

function matrixRows({ cells, shape, rowName, rowLabels, columnNames }: Matrix): string[] {
  const columns = shape[shape.length - 1];
  const rows = columns === 0 ? 0 : cells.length / columns;
  const head = [rowName, ...columnNames].map(quoted).join(",");
  const lines = Array.from({ length: rows }, (_, row) => {
    const values = Array.from(cells.subarray(row * columns, (row + 1) * columns), float32Text);
    return `${rowLabels?.[row] ?? row},${values.join(",")}`;
  });
  return [head, ...lines];
}

function linesRows(lines: Lines): string[] {
  const head = lines.fields.map(({ name }) => quoted(name)).join(",");
  const rows = Array.from({ length: lineCount(lines) }, (_, i) =>
    lines.fields.map(({ values }) => valueText(values[i])).join(","),
  );
  return [head, ...rows];
}

export function csvOf(table: Table): string {
  const rows = table.kind === "matrix" ? matrixRows(table) : linesRows(table);
  return rows.map((row) => `${row}\n`).join("");
}
