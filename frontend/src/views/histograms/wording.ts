/** What a histogram and a bar of it are called, on the screen and for a screen reader. */

import { type BinAxis, valueAtPlace } from "../../drawing/bin_axis";
import { numberText, percentText } from "../../drawing/number_text";
import { quantityPhrase } from "../../state/names";
import { type Block } from "../../state/statistics";
import { type Frame, type HistogramPanel, type Trace } from "./arrangement";
import { type PointedBar } from "./pointing";

/** "recurrent kernel". */
export function matrixText(matrix: string): string {
  return matrix.replaceAll("_", " ");
}

/** "forward kernel, forget gate", "forward" for a sequence. */
export function panelText({ direction, matrix, gate }: Pick<HistogramPanel, "direction" | "matrix" | "gate">): string {
  const place = [direction, matrixText(matrix)].filter((part) => part !== "").join(" ");
  return gate === "" ? place : `${place}, ${gate} gate`;
}

/** "3 NaN, 1 Inf of 48 (8.3%)"; "" when all are finite. */
export function nonFiniteText({ nan = 0, inf = 0, count = 0 }: Block): string {
  const kinds = [nan > 0 ? `${nan} NaN` : "", inf > 0 ? `${inf} Inf` : ""].filter((part) => part !== "");
  return kinds.length === 0 ? "" : `${kinds.join(", ")} of ${count} (${percentText((nan + inf) / count)})`;
}

/** Of one step as above; of several: "NaN or Inf at 3 of 16 steps, from step 120". */
export function badgeText({ frames }: Trace): string {
  if (frames.length === 1) return nonFiniteText(frames[0].block);
  const found = frames.filter(({ block }) => nonFiniteText(block) !== "");
  return found.length === 0
    ? ""
    : `NaN or Inf at ${found.length} of ${frames.length} steps, first at step ${found[0].step}`;
}

function rangeOf(frames: readonly Frame[]): string {
  const ends = frames.flatMap(({ block: { minimum, maximum } }) =>
    typeof minimum === "number" && typeof maximum === "number" ? [minimum, maximum] : [],
  );
  if (ends.length === 0) return "nothing finite";
  return `from ${numberText(Math.min(...ends), 2)} to ${numberText(Math.max(...ends), 2)}`;
}

function traceText(trace: Trace): string {
  const { frames, run } = trace;
  const steps =
    frames.length === 1 ? `step ${frames[0].step}` : `steps ${frames[0].step} to ${frames[frames.length - 1].step}`;
  const parts = [`${run.run}, ${steps}`, rangeOf(frames), badgeText(trace)];
  return parts.filter((part) => part !== "").join(", ");
}

/** "encoder/bilstm weights, forward kernel, forget gate: histogram; lstm, step 30, from −1.2 to 2.1; gru, …". */
export function panelLabel(panel: HistogramPanel, kind: string): string {
  const [{ run }] = panel.traces;
  const subject = `${run.layer.layer} ${quantityPhrase(run.quantity.quantity)}, ${panelText(panel)}`;
  return `${subject}: ${kind}; ${panel.traces.map(traceText).join("; ")}`;
}

function interval({ low, high }: PointedBar, axis: BinAxis): string {
  const [from, to] = [low, high].map((u) => numberText(valueAtPlace(axis, u), 4));
  if (axis.kind === "linear") return `from ${from} to ${to}`;
  if (axis.kind === "log") return low === 0 ? `of magnitude below ${to}` : `of magnitude ${from} to ${to}`;
  return low < 0 && high > 0 ? `of magnitude below ${to}` : `from ${from} to ${to}`;
}

/** "12 of 48 values (25%) from −0.25 to −0.125", "12 of 48 values counted of 96 (25%) …" where it is of a sample. */
export function barText(bar: PointedBar | null, axis: BinAxis): string {
  if (bar === null) return "no values here";
  const { count, total, finite } = bar;
  const of = finite > total ? `${total} values counted of ${finite}` : `${total} values`;
  return `${count} of ${of} (${percentText(count / total)}) ${interval(bar, axis)}`;
}
