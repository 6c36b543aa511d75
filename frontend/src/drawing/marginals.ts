/** Mean magnitudes along a side of a heatmap: one value a pixel of the picture, drawn as bars on the scale of its colours. */

import { type Range } from "./cell_array";
import { packedHex } from "./colour_maps";
import { place, type Scale } from "./colour_scale";
import { type Picture } from "./picture";

/** As the server sends them: of the rows of each half of the columns that the array reaches, then of its columns. */
export interface MarginalArray {
  marginals: Float32Array;
  rows: number;
  columns: number;
}

/** One mean a pixel along the rows' side for each part of the picture, and one a pixel across. */
export interface Marginals {
  alongRows: Float32Array[];
  alongColumns: Float32Array;
}

/** The mean of those that there are; NaN where there are none. */
function meanOf(values: Float32Array, [first, last]: Range): number {
  let [sum, count] = [0, 0];
  for (let i = first; i <= last; i++) {
    if (Number.isNaN(values[i])) continue;
    sum += values[i];
    count++;
  }
  return sum / count;
}

export function marginalsOf({ marginals, rows, columns }: MarginalArray, { parts }: Picture): Marginals {
  const halves = rows === 0 ? 1 : Math.round((marginals.length - columns) / rows);
  const ofColumns = marginals.subarray(halves * rows);
  const ofRows = (half: number) => marginals.subarray(half * rows, (half + 1) * rows);
  return {
    alongRows: parts.map(({ isAfter, rowCells }) => {
      const values = ofRows(isAfter ? halves - 1 : 0);
      return Float32Array.from(rowCells, (cells) => meanOf(values, cells));
    }),
    alongColumns: Float32Array.from(
      parts.flatMap(({ columnCells }) => columnCells),
      (cells) => meanOf(ofColumns, cells),
    ),
  };
}

/** How long a bar is, 0 to 1: as far along the scale as its colour would be. */
export function barLength(scale: Scale, mean: number): number {
  return Number.isNaN(mean) ? 0 : Math.abs(place(scale, mean));
}

export interface StripStyle {
  /** From the drawing upward, or to the right. */
  side: "top" | "right";
  /** In device pixels: along the drawing, and away from it. */
  length: number;
  depth: number;
  fill: string;
  line: string;
  nan: string;
}

/** What is NaN has no length: its colour stands at the foot. */
const nanDepth = 4;

/** For every pixel along the drawing: from which depth to which it is painted, and with what. */
interface Spans {
  low: Uint16Array;
  high: Uint16Array;
  words: Uint32Array;
}

function spansOf(values: Float32Array, scale: Scale, style: StripStyle, isOutline: boolean): Spans {
  const { length, depth } = style;
  const spans = { low: new Uint16Array(length), high: new Uint16Array(length), words: new Uint32Array(length) };
  const [colour, nan] = [packedHex(isOutline ? style.line : style.fill), packedHex(style.nan)];
  let before = 0;
  values.forEach((mean, i) => {
    const from = Math.round((i * length) / values.length);
    const to = Math.round(((i + 1) * length) / values.length);
    const height = Number.isNaN(mean) ? nanDepth : Math.round(barLength(scale, mean) * depth);
    const isLine = isOutline && !Number.isNaN(mean);
    spans.low.fill(isLine ? Math.max(0, height - 1) : 0, from, to);
    spans.high.fill(isLine ? Math.max(1, height) : height, from, to);
    spans.words.fill(Number.isNaN(mean) ? nan : colour, from, to);
    if (!isLine) return;
    // The step up or down to the end of the bar.
    spans.low[from] = Math.min(before, spans.low[from]);
    spans.high[from] = Math.max(before, spans.high[from]);
    before = height;
  });
  return spans;
}

/** Word by word, as a heatmap is: paths of hundreds of bars would take longer than the drawings that they stand beside. */
function paintSpans({ low, high, words }: Spans, image: ImageData, side: StripStyle["side"]): void {
  const out = new Uint32Array(image.data.buffer);
  const { width, height } = image;
  if (side === "right") {
    for (let y = 0; y < height; y++) out.fill(words[y], y * width + low[y], y * width + high[y]);
    return;
  }
  for (let depth = 0; depth < height; depth++) {
    const line = (height - 1 - depth) * width;
    for (let x = 0; x < width; x++) if (depth >= low[x] && depth < high[x]) out[line + x] = words[x];
  }
}

/** The first values as filled bars, any others as the outline of theirs. */
export function paintStrip(canvas: HTMLCanvasElement, lines: Float32Array[], scale: Scale, style: StripStyle): void {
  const { side, length, depth } = style;
  const [width, height] = side === "top" ? [length, depth] : [depth, length];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null || width === 0 || height === 0) return;
  const image = context.createImageData(width, height);
  lines.forEach((values, number) => {
    paintSpans(spansOf(values, scale, style, number > 0), image, side);
  });
  context.putImageData(image, 0, 0);
}
