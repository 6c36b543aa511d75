/**
 * A part of the page as a picture that stands alone: text stays text, curves and histograms stay lines, and only what is
 * painted cell by cell is pixels. It is made from what the page shows, so that whatever a view draws can be taken away.
 */

import { drawBox, drawCanvas, drawSvg } from "./figure_shapes";
import { drawText, textWidth } from "./figure_text";
import { type Box, colourOf, escaped, overlap, Paper, short } from "./paper";

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

export interface FigureParts {
  element: Element;
  /** What stands to the right of it: the colours of a drawing, which may be far away on the page. */
  beside: Element | null;
  /** Above it. */
  title: string;
  /** What does not belong on it. */
  isLeftOut: (element: Element) => boolean;
}

const margin = 12;
const titleSize = 14;
const titleWeight = 500;

/** What a closed <details> hides has a place, but is not to be seen. */
function isFolded(element: Element): boolean {
  const { parentElement: parent } = element;
  return parent instanceof HTMLDetailsElement && !parent.open && !element.matches("summary");
}

function walk(element: Element, clip: Box | null, parts: FigureParts, paper: Paper): void {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
  if (parts.isLeftOut(element) || isFolded(element)) return;
  const box = element.getBoundingClientRect();
  const isFaint = style.opacity !== "1";
  if (isFaint) paper.elements.push(`<g opacity="${style.opacity}">`);
  if (!(element instanceof SVGElement)) drawBox(style, box, paper);
  if (element instanceof HTMLCanvasElement) drawCanvas(element, style, box, paper);
  else if (element instanceof SVGSVGElement) drawSvg(element, style, box, paper);
  else {
    const cuts = element !== parts.element && style.overflow !== "visible";
    const within = cuts && clip !== null ? (overlap(clip, box) ?? clip) : cuts ? box : clip;
    for (const child of element.childNodes) {
      if (child instanceof Text) drawText(child, style, within, paper);
      else if (child instanceof Element) walk(child, within, parts, paper);
    }
  }
  if (isFaint) paper.elements.push("</g>");
}

function titleOf(title: string, { left, top }: Box, style: CSSStyleDeclaration): string {
  const place = `x="${short(left)}" y="${short(top - margin)}"`;
  return `<text ${place} font-size="${titleSize}px" font-weight="${titleWeight}" fill="${colourOf(style.color)}">${escaped(title)}</text>`;
}

export function drawFigure(parts: FigureParts): Figure {
  const { element, beside, title } = parts;
  const paper = new Paper();
  walk(element, null, parts, paper);
  if (beside !== null) {
    // The colours begin where the cells do, whatever stands above either on the page.
    const from = (beside.querySelector("canvas") ?? beside).getBoundingClientRect();
    const canvas = element.querySelector("canvas.heatmap")?.getBoundingClientRect() ?? paper.box;
    paper.moveTo(paper.box.right + 2 * margin - from.left, canvas.top - from.top);
    walk(beside, null, parts, paper);
  }
  const style = getComputedStyle(document.body);
  const { left, top, right, bottom } = paper.box;
  const above = title === "" ? margin : 2 * margin + titleSize;
  const titleWidth = textWidth(title, `${titleWeight} ${titleSize}px ${style.fontFamily}`);
  const width = Math.ceil(Math.max(right - left, titleWidth) + 2 * margin);
  const height = Math.ceil(bottom - top + above + margin);
  const corner = `${short(left - margin)} ${short(top - above)}`;
  const font = escaped(style.fontFamily);
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${corner} ${width} ${height}" font-family="${font}" font-size="${style.fontSize}">`;
  const [x, y] = corner.split(" ");
  const ground = `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${colourOf(style.backgroundColor)}"/>`;
  const heading = title === "" ? "" : `<title>${escaped(title)}</title>${titleOf(title, paper.box, style)}`;
  return { svg: `${head}${ground}${heading}${paper.elements.join("")}</svg>\n`, width, height };
}
