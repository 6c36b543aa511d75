/**
 * Tables in numpy's format, version 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic
 * string, the length of the header, the header as a Python dictionary padded to a multiple of 64 bytes, then the data.
 */

import { type Field, lineCount, type Lines, type Matrix, type Table } from "./table";

const alignment = 64;

function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

/** Version 1.0 counts the header's bytes in 16 bits; what is too long for those is of version 2.0. */
function withHeader(descr: string, shape: readonly number[], bytes: number): { buffer: ArrayBuffer; start: number } {
  const text = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shapeText(shape)}, }`;
  const isLong = text.length + alignment > 0xffff;
  const before = isLong ? 12 : 10;
  const padded = text.padEnd(Math.ceil((before + text.length + 1) / alignment) * alignment - before - 1) + "\n";
  const start = before + padded.length;
  const buffer = new ArrayBuffer(start + bytes);
  const all = new Uint8Array(buffer);
  all.set([0x93, ...new TextEncoder().encode("NUMPY"), isLong ? 2 : 1, 0]);
  const view = new DataView(buffer);
  if (isLong) view.setUint32(8, padded.length, true);
  else view.setUint16(8, padded.length, true);
  all.set(new TextEncoder().encode(padded), before);
  return { buffer, start };
}

function matrixNpy({ cells, shape }: Matrix): ArrayBuffer {
  const { buffer, start } = withHeader("'<f4'", shape, cells.byteLength);
  const bytes = new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength);
  new Uint8Array(buffer, start).set(bytes);
  return buffer;
}

interface Placed {
  field: Field;
  descr: string;
  bytes: number;
  /** Of texts: the code points of each. */
  texts: number[][];
}

function placed(field: Field): Placed {
  if (field.type !== "text") return { field, descr: field.type === "integer" ? "<i8" : "<f8", bytes: 8, texts: [] };
  const texts = field.values.map((value) => Array.from(String(value), (character) => character.codePointAt(0) ?? 0));
  const longest = texts.reduce((most, text) => Math.max(most, text.length), 1);
  return { field, descr: `<U${longest}`, bytes: 4 * longest, texts };
}

function writeValue(view: DataView, at: number, { field, texts }: Placed, line: number): void {
  const value = field.values[line];
  if (field.type === "text") {
    texts[line].forEach((point, i) => {
      view.setUint32(at + 4 * i, point, true);
    });
  } else if (field.type === "integer") view.setBigInt64(at, BigInt(value), true);
  else view.setFloat64(at, Number(value), true);
}

/** A structured array: a field each, without gaps. */
function linesNpy(lines: Lines): ArrayBuffer {
  const fields = lines.fields.map(placed);
  const size = fields.reduce((sum, { bytes }) => sum + bytes, 0);
  const count = lineCount(lines);
  const descr = `[${fields.map((one) => `('${one.field.name}', '${one.descr}')`).join(", ")}]`;
  const { buffer, start } = withHeader(descr, [count], count * size);
  const view = new DataView(buffer);
  for (let line = 0; line < count; line++) {
    let at = start + line * size;
    for (const field of fields) {
      writeValue(view, at, field, line);
      at += field.bytes;
    }
  }
  return buffer;
}

export function npyOf(table: Table): ArrayBuffer {
  return table.kind === "matrix" ? matrixNpy(table) : linesNpy(table);
}
