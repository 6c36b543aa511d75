/** A square whose axes have the same logarithm: what is equal lies on its diagonal. */

/** The values at its lower left and its upper right corner. */
export interface LogSquare {
  low: number;
  high: number;
}

/** Of the logarithms' span, free beyond the least and the largest. */
const margin = 0.08;
/** Values closer together than this factor do not fill the square: they would look unlike. */
const leastSpan = 4;

/** Around values above zero. */
export function logSquare(values: readonly number[]): LogSquare | null {
  const least = values.reduce((a, b) => Math.min(a, b), Infinity);
  const largest = values.reduce((a, b) => Math.max(a, b), 0);
  if (!(least > 0 && largest < Infinity && least <= largest)) return null;
  const widening = Math.max(1, Math.sqrt(leastSpan / (largest / least)));
  const [low, high] = [least / widening, largest * widening];
  const free = (high / low) ** margin;
  return { low: low / free, high: high * free };
}

/** 0 at the lower end, 1 at the upper. */
export function alongLog({ low, high }: LogSquare, value: number): number {
  return Math.log(value / low) / Math.log(high / low);
}

/** Powers of ten, and where there are few of them two and five times these. */
export function logTicks({ low, high }: LogSquare): number[] {
  const decades = Math.log10(high / low);
  const factors = decades < 2.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / 5));
  const first = Math.floor(Math.log10(low));
  const count = Math.ceil(Math.log10(high)) - first + 1;
  return Array.from({ length: count }, (_, i) => first + i)
    .filter((exponent) => exponent % every === 0)
    .flatMap((exponent) => factors.map((factor) => Number(`${factor}e${exponent}`)))
    .filter((tick) => tick >= low && tick <= high);
}

/** A place within the square, from its upper left corner: 0 to 1 to the right and down. */
export interface SquarePlace {
  x: number;
  y: number;
}

/** Dots as the round ends of lines without length. */
export function dotsPath(places: readonly SquarePlace[], size: number): string {
  const short = (coordinate: number) => Math.round(coordinate * size * 100) / 100;
  return places.map(({ x, y }) => `M${short(x)} ${short(y)}h0`).join("");
}

/** The index of the place nearest to another; null where none is within the distance. */
export function nearestPlace(places: readonly SquarePlace[], to: SquarePlace, within: number): number | null {
  const distances = places.map(({ x, y }) => Math.hypot(x - to.x, y - to.y));
  const nearest = distances.reduce((best, one, i) => (one < distances[best] ? i : best), 0);
  return distances.length > 0 && distances[nearest] <= within ? nearest : null;
}
