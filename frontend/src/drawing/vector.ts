/** What was painted on a canvas, as SVG: for figures that are to stay sharp at any size. */

import { type Curve, type Look, type Path, type Plane, traceCurve, yOf } from "./curves";
import { type DotLook, type DotPlane, dotX, dotY, slotEdge } from "./dots";
import { type Cells, numberOf } from "./picture";

const drawn = new WeakMap<HTMLCanvasElement, () => string>();

/** Remembers how to draw what a canvas shows, in its own pixels. */
export function drawnAs(canvas: HTMLCanvasElement, vector: () => string): void {
  drawn.set(canvas, vector);
}

/** What a canvas shows as SVG elements; undefined where it is known as pixels only. */
export function vectorOf(canvas: HTMLCanvasElement): string | undefined {
  return drawn.get(canvas)?.();
}

function short(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

/** Writes down what a canvas would draw. */
class PathText implements Path {
  text = "";
  moveTo(x: number, y: number): void {
    this.text += `M${short(x)} ${short(y)}`;
  }
  lineTo(x: number, y: number): void {
    this.text += `L${short(x)} ${short(y)}`;
  }
}

function horizontal(y: number, { width, height }: { width: number; height: number }, colour: string | null): string {
  if (colour === null || y < 0 || y >= height) return "";
  return `<rect x="0" y="${y}" width="${width}" height="1" fill="${colour}"/>`;
}

export function curvesAsSvg(curves: readonly Curve[], plane: Plane, { lineWidth, zero }: Look): string {
  const lines = curves.map((curve) => {
    const path = new PathText();
    traceCurve(path, curve, plane);
    return `<path d="${path.text}" stroke="${curve.colour}" stroke-opacity="${curve.opacity}"/>`;
  });
  const group = `<g fill="none" stroke-width="${lineWidth}" stroke-linejoin="bevel">${lines.join("")}</g>`;
  return horizontal(Math.floor(yOf(plane, 0)), plane, zero) + group;
}

export function dotsAsSvg(samples: readonly Cells[], plane: DotPlane, look: DotLook): string {
  const dividers = look.dividers.map((before) => {
    const x = Math.round(slotEdge(plane, before));
    return `<rect x="${x}" y="0" width="1" height="${plane.height}" fill="${look.divider}"/>`;
  });
  const dots: string[] = [];
  for (let channel = 0; channel < plane.channels; channel++) {
    samples.forEach((cells, sample) => {
      const value = numberOf(cells, channel);
      if (!Number.isFinite(value)) return;
      const place = `cx="${short(dotX(plane, channel, sample))}" cy="${short(dotY(plane, value))}"`;
      dots.push(`<circle ${place} r="${short(look.radius)}" fill="${look.colours[channel]}"/>`);
    });
  }
  return dividers.join("") + horizontal(Math.floor(dotY(plane, 0)), plane, look.zero) + dots.join("");
}
