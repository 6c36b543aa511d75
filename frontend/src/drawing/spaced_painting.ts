/**
 * Paints a canvas a few times a second, however often it is asked to: for what stands beside a drawing while steps fly by.
 * What it was asked to paint last is always painted.
 */

/** In milliseconds: a third of the frames. */
const apart = 50;

interface Painted {
  at: number;
  waiting: ReturnType<typeof setTimeout> | undefined;
}

const canvases = new WeakMap<HTMLCanvasElement, Painted>();

/** Paints at once. */
export function paintNow(canvas: HTMLCanvasElement, paint: () => void): void {
  clearTimeout(canvases.get(canvas)?.waiting);
  canvases.set(canvas, { at: performance.now(), waiting: undefined });
  paint();
}

/** Paints at once where the last time is long enough ago, else once it is. */
export function paintSpaced(canvas: HTMLCanvasElement, paint: () => void): void {
  const before = canvases.get(canvas);
  const rest = before === undefined ? 0 : before.at + apart - performance.now();
  if (before === undefined || rest <= 0) {
    paintNow(canvas, paint);
    return;
  }
  clearTimeout(before.waiting);
  before.waiting = setTimeout(() => {
    paintNow(canvas, paint);
  }, rest);
}
