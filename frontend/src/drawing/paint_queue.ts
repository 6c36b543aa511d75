/**
 * Spreads painting over frames. What is cheap is painted at once; once a frame has had its share, the rest waits for the
 * next ones, so that hundreds of panels with dozens of curves never hold up the page.
 *
 * The share is counted in points, not in time: a canvas records what it is told and pays for it later.
 */

const pointsPerFrame = 13_000;

const waiting = new Map<HTMLCanvasElement, { points: number; paint: () => void }>();
let spent = 0;
let frame = 0;

function nextFrame(): void {
  frame = 0;
  spent = 0;
  for (const [canvas, { points, paint }] of waiting) {
    if (spent > 0 && spent + points > pointsPerFrame) break;
    waiting.delete(canvas);
    spent += points;
    paint();
  }
  if (spent > 0) frame = requestAnimationFrame(nextFrame);
}

/** Paints a canvas now or within the next frames; what it was to be painted with before is forgotten. */
export function paintSoon(canvas: HTMLCanvasElement, points: number, paint: () => void): void {
  waiting.delete(canvas);
  const isFree = waiting.size === 0 && (spent === 0 || spent + points <= pointsPerFrame);
  if (isFree) {
    spent += points;
    paint();
  } else {
    waiting.set(canvas, { points, paint });
  }
  if (frame === 0) frame = requestAnimationFrame(nextFrame);
}

/** The canvas is gone, or about to be. */
export function forgetPainting(canvas: HTMLCanvasElement): void {
  waiting.delete(canvas);
}
