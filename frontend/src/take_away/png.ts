/** A figure as pixels. */

import { type Figure } from "./figure";

/** What a browser's canvas can hold along a side. */
const mostPixels = 16_000;

/** Twice as many pixels as the screen's units at least: what is printed is looked at closely. */
const leastScale = 2;

export function scaleOf({ width, height }: Figure, wanted: number): number {
  return Math.min(wanted, mostPixels / Math.max(width, height));
}

export async function pngOf(figure: Figure, wanted = Math.max(leastScale, window.devicePixelRatio)): Promise<Blob> {
  const scale = scaleOf(figure, wanted);
  const address = URL.createObjectURL(new Blob([figure.svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(figure.width * scale);
    canvas.height = Math.round(figure.height * scale);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((done) => {
      canvas.toBlob(done, "image/png");
    });
    if (blob === null) throw new Error("The browser could not make a PNG of this size");
    return blob;
  } finally {
    URL.revokeObjectURL(address);
  }
}
