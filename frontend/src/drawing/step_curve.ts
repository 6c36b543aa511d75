/** A number over training steps as an SVG path. */

export interface StepPoint {
  step: number;
  /** null where there is none: the curve has a gap. */
  value: number | null;
}

function short(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

/** How far along the steps one lies, 0 to 1; a step alone lies in the middle. */
export function alongSteps(step: number, first: number, last: number): number {
  return first === last ? 0.5 : (step - first) / (last - first);
}

export interface StepSpan {
  step: number;
  /** null where there is none: the band has a gap. */
  span: readonly [low: number, high: number] | null;
}

/** A band between two curves; a step without neighbours is a line from one to the other. */
export function bandPath(
  spans: readonly StepSpan[],
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  const stretches: { step: number; span: readonly [number, number] }[][] = [[]];
  for (const { step, span } of spans) {
    if (span === null) stretches.push([]);
    else stretches[stretches.length - 1].push({ step, span });
  }
  const place = (step: number, value: number) => `${short(x(step))} ${short(y(value))}`;
  return stretches
    .filter(({ length }) => length > 0)
    .map((stretch) => {
      const highs = stretch.map(({ step, span }) => place(step, span[1]));
      const lows = stretch.map(({ step, span }) => place(step, span[0])).reverse();
      return `M${[...highs, ...lows].join("L")}Z`;
    })
    .join("");
}

/** Straight lines between points; a point without neighbours is drawn by its line's round ends. */
export function curvePath(
  points: readonly StepPoint[],
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  let joined = false;
  const parts = points.map(({ step, value }, i) => {
    if (value === null) {
      joined = false;
      return "";
    }
    const alone = !joined && (points.at(i + 1)?.value ?? null) === null;
    const place = `${short(x(step))} ${short(y(value))}`;
    const part = joined ? `L${place}` : `M${place}${alone ? "h0" : ""}`;
    joined = true;
    return part;
  });
  return parts.join("");
}
