/** What of the page is no text: boxes, canvases, drawings. */

import { vectorOf } from "../drawing/vector";
import { type Box, colourOf, type Paper, short } from "./paper";

function at({ left, top, right, bottom }: Box): string {
  return `x="${short(left)}" y="${short(top)}" width="${short(right - left)}" height="${short(bottom - top)}"`;
}

const sides = ["Left", "Top", "Right", "Bottom"] as const;

interface Border {
  width: number;
  colour: string;
  dashed: boolean;
}

function borderOf(style: CSSStyleDeclaration, side: (typeof sides)[number]): Border | null {
  const width = parseFloat(style[`border${side}Width`]);
  const colour = colourOf(style[`border${side}Color`]);
  const kind = style[`border${side}Style`];
  return width > 0 && kind !== "none" && colour !== "none" ? { width, colour, dashed: kind === "dashed" } : null;
}

function strokeText({ width, colour, dashed }: Border): string {
  return `stroke="${colour}" stroke-width="${width}"${dashed ? ' stroke-dasharray="3 3"' : ""}`;
}

function radiusOf(style: CSSStyleDeclaration, box: Box): number {
  const text = style.borderTopLeftRadius;
  const shortest = Math.min(box.right - box.left, box.bottom - box.top);
  const radius = text.endsWith("%") ? (parseFloat(text) / 100) * shortest : parseFloat(text);
  return Math.min(Number.isNaN(radius) ? 0 : radius, shortest / 2);
}

function sideLine(side: (typeof sides)[number], border: Border, { left, top, right, bottom }: Box): string {
  const half = border.width / 2;
  const line = {
    Left: [left + half, top, left + half, bottom],
    Top: [left, top + half, right, top + half],
    Right: [right - half, top, right - half, bottom],
    Bottom: [left, bottom - half, right, bottom - half],
  }[side].map(short);
  return `<path d="M${line[0]} ${line[1]}L${line[2]} ${line[3]}" fill="none" ${strokeText(border)}/>`;
}

/** The background and the borders of an element. */
export function drawBox(style: CSSStyleDeclaration, box: Box, paper: Paper): void {
  const placed = paper.place(box);
  const fill = colourOf(style.backgroundColor);
  const radius = radiusOf(style, box);
  const round = radius > 0 ? ` rx="${short(radius)}"` : "";
  if (fill !== "none") paper.add(`<rect ${at(placed)}${round} fill="${fill}"/>`, box);
  const borders = sides.map((side) => borderOf(style, side));
  const [first] = borders;
  if (first !== null && borders.every((border) => border?.width === first.width && border.colour === first.colour)) {
    const half = first.width / 2;
    const { left, top, right, bottom } = placed;
    const inner = { left: left + half, top: top + half, right: right - half, bottom: bottom - half };
    paper.add(`<rect ${at(inner)}${round} fill="none" ${strokeText(first)}/>`, box);
    return;
  }
  borders.forEach((border, i) => {
    if (border !== null) paper.add(sideLine(sides[i], border, placed), box);
  });
}

/** Within the borders. */
function contentBox(style: CSSStyleDeclaration, box: Box): Box {
  const width = (side: (typeof sides)[number]) => parseFloat(style[`border${side}Width`]) || 0;
  return {
    left: box.left + width("Left"),
    top: box.top + width("Top"),
    right: box.right - width("Right"),
    bottom: box.bottom - width("Bottom"),
  };
}

/** A canvas as lines where it knows how it was drawn, else as the pixels that it holds. */
export function drawCanvas(canvas: HTMLCanvasElement, style: CSSStyleDeclaration, box: Box, paper: Paper): void {
  const { width, height } = canvas;
  if (width === 0 || height === 0) return;
  const place = at(paper.place(contentBox(style, box)));
  const vector = vectorOf(canvas);
  if (vector !== undefined) {
    const shape = `viewBox="0 0 ${width} ${height}" preserveAspectRatio="none"`;
    paper.add(`<svg ${place} ${shape}>${vector}</svg>`, box);
    return;
  }
  // Cells have edges: what magnifies the pixels must not smooth them.
  const pixelated = style.imageRendering === "pixelated";
  const look = pixelated ? ' style="image-rendering:crisp-edges;image-rendering:pixelated"' : "";
  const source = canvas.toDataURL("image/png");
  paper.add(`<image ${place} preserveAspectRatio="none"${look} href="${source}"/>`, box);
}

/** What a style sheet may say of a shape: in the file there is no style sheet. */
const presentation = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-linecap",
  "vector-effect",
  "opacity",
];
const colours = new Set(["fill", "stroke"]);
const geometry = new Set("viewBox preserveAspectRatio d x y width height cx cy r x1 y1 x2 y2".split(" "));

function withOwnStyle(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const attribute of [...to.attributes]) if (!geometry.has(attribute.name)) to.removeAttribute(attribute.name);
  for (const property of presentation) {
    const value = style.getPropertyValue(property);
    if (value !== "") to.setAttribute(property, colours.has(property) ? colourOf(value) : value);
  }
  [...from.children].forEach((child, i) => {
    withOwnStyle(child, to.children[i]);
  });
}

/** A drawing of the page, with the styles that it has there. */
export function drawSvg(svg: SVGSVGElement, style: CSSStyleDeclaration, box: Box, paper: Paper): void {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  withOwnStyle(svg, copy);
  const { left, top, right, bottom } = paper.place(contentBox(style, box));
  const edges = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(edges)) copy.setAttribute(name, String(short(value)));
  if (style.overflow === "visible") copy.setAttribute("overflow", "visible");
  paper.add(new XMLSerializer().serializeToString(copy), box);
}
