/** The newest value of a measure, what it is judged to be, and of which part of a layer it is. */

import { findingAt, type Measure } from "../../state/health";
import { runs } from "../../state/catalogue";
import { type HealthRow } from "./health_rows";
import { goTo } from "./place";
import { gravity, SeverityMark } from "./severity";

/** By which TensorBoard colours the row's run. */
export function positionOf({ run }: HealthRow): number {
  return runs.value.find((candidate) => candidate.run === run.run)?.position ?? 0;
}

/** Where a measure is of one direction, gate or matrix: which. */
export function partText(
  { direction, matrix, gate }: Pick<Measure, "direction" | "matrix" | "gate">,
  { layer }: HealthRow,
): string {
  const parts = [
    layer.directions.length > 1 ? direction : "",
    matrix.replaceAll("_", " "),
    gate === "" ? "" : `${gate} gate`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** "6 of 79" with its second half in quiet. */
function Value({ text }: { text: string }) {
  const [value, ...rest] = text.split(" of ");
  return (
    <>
      <span class="value">{value}</span>
      {rest.length === 0 ? null : <span class="quiet"> of {rest.join(" of ")}</span>}
    </>
  );
}

/** What is not to be had is said, but is no number to look at. */
function valueClass({ latest, severity }: Measure): string {
  return latest === null && gravity(severity) === 0 ? "cell-value quiet" : "cell-value";
}

export function MeasureValue({ measure, row }: { measure: Measure; row: HealthRow }) {
  const { severity, text, title } = measure;
  const finding = findingAt(measure.finding);
  const part = partText(measure, row);
  const where = part === "" ? title : `${title}, ${part}`;
  if (finding === null) {
    return (
      <span class={valueClass(measure)} title={where}>
        {gravity(severity) > 0 ? <SeverityMark severity={severity} /> : null}
        <Value text={text} />
      </span>
    );
  }
  return (
    <button
      type="button"
      class={`cell-value inline-link ${severity}`}
      title={`${where}: ${finding.sentence} Show where.`}
      onClick={() => {
        goTo(finding.link);
      }}
    >
      <SeverityMark severity={severity} />
      <Value text={text} />
    </button>
  );
}
