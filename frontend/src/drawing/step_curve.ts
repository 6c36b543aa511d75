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
