import { type ScaleKind } from "../../drawing/colour_scale";

/** A scale in words: "symlog over 6 decades", "absolute values, linear". */
export function scaleText(kind: ScaleKind, decades: number, absolute = false): string {
  if (absolute && kind !== "log") return `absolute values, ${scaleText(kind, decades)}`;
  if (kind === "linear") return "linear";
  return kind === "log" ? `log of the magnitude over ${decades} decades` : `symlog over ${decades} decades`;
}
