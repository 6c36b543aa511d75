import { type ScaleKind } from "../../drawing/colour_scale";

/** A scale in words: "symlog over 6 decades". */
export function scaleText(kind: ScaleKind, decades: number): string {
  if (kind === "linear") return "linear";
  return kind === "log" ? `log of the magnitude over ${decades} decades` : `symlog over ${decades} decades`;
}
