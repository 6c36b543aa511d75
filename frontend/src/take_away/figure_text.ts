/** Text of the page as SVG text, each line at the very place where it stands. */

import { type Box, clipped, colourOf, escaped, overlap, type Paper, short } from "./paper";

interface TextLine {
  text: string;
  box: Box;
}

function union(one: Box, other: Box): Box {
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}

/** The words of a text node, joined again as far as they stand on one line. */
function linesOf(node: Text, vertical: boolean): TextLine[] {
  const range = document.createRange();
  const lines: TextLine[] = [];
  for (const { 0: word, index } of node.data.matchAll(/[^\s]+/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const { left, top, right, bottom } = range.getBoundingClientRect();
    if (right - left === 0 || bottom - top === 0) continue;
    const last = lines.at(-1);
    const goesOn = last !== undefined && (vertical ? last.box.left === left : Math.abs(last.box.top - top) < 1);
    if (goesOn) {
      last.text += ` ${word}`;
      last.box = union(last.box, { left, top, right, bottom });
    } else {
      lines.push({ text: word, box: { left, top, right, bottom } });
    }
  }
  return lines;
}

const measuring = document.createElement("canvas").getContext("2d");

export function textWidth(text: string, font: string): number {
  if (measuring === null) return 0;
  measuring.font = font;
  return measuring.measureText(text).width;
}

/** How much of a line's height lies above its baseline. */
function ascentShare(style: CSSStyleDeclaration): number {
  if (measuring === null) return 0.8;
  measuring.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } = measuring.measureText("x");
  return ascent / (ascent + descent);
}

function attributesOf(style: CSSStyleDeclaration): string {
  const weight = style.fontWeight === "400" ? "" : ` font-weight="${style.fontWeight}"`;
  const numbers = style.fontVariantNumeric === "normal" ? "" : ' style="font-variant-numeric:tabular-nums"';
  return `font-size="${style.fontSize}"${weight}${numbers} fill="${colourOf(style.color)}"`;
}

/**
 * With its length written down a line fits its place wherever the figure is opened, whatever fonts there are. Text that
 * the page cuts off at an edge is cut off there too.
 */
export function drawText(node: Text, style: CSSStyleDeclaration, clip: Box | null, paper: Paper): void {
  const vertical = style.writingMode.startsWith("vertical");
  // Vertical text runs downwards; what is turned by half runs upwards.
  const isUpward = style.transform.startsWith("matrix(-1,") || style.rotate === "180deg";
  const share = ascentShare(style);
  for (const { text, box } of linesOf(node, vertical)) {
    const seen = clip === null ? box : overlap(box, clip);
    if (seen === null) continue;
    const { left, top, right, bottom } = paper.place(box);
    const length = vertical ? bottom - top : right - left;
    const turned = (x: number, y: number, angle: number) =>
      `transform="translate(${short(x)} ${short(y)}) rotate(${angle})"`;
    const at = !vertical
      ? `x="${short(left)}" y="${short(top + share * (bottom - top))}"`
      : isUpward
        ? turned(left + share * (right - left), bottom, -90)
        : turned(right - share * (right - left), top, 90);
    const fit = `textLength="${short(length)}" lengthAdjust="spacingAndGlyphs"`;
    const drawn = `<text ${at} ${fit} ${attributesOf(style)}>${escaped(text)}</text>`;
    paper.add(clipped(drawn, box, seen, paper), seen);
  }
}
