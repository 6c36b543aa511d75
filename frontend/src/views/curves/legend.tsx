/** Which shade is which sample, where there are few enough to tell apart. */

import { type CurvePanel, fewLines } from "./scene";

/** What an entry takes in a heading, and what the name of the run and its step do. In CSS pixels. */
const entry = 72;
const name = 150;

/** Whether a legend of so many lines fits beside the name of a run. */
export function legendFits(lines: number, width: number): boolean {
  return lines > 1 && lines <= fewLines && name + lines * entry <= width;
}

export function Legend({ lines }: Pick<CurvePanel, "lines">) {
  if (lines.length < 2 || lines.length > fewLines) return null;
  return (
    <span class="curve-legend quiet">
      {lines.map(({ label, colour }) => (
        <span key={label}>
          <i style={{ background: colour }} />
          {label}
        </span>
      ))}
    </span>
  );
}
