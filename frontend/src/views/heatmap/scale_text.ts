import { type ScaleKind } from "../../drawing/colour_scale";
import { type LimitKind } from "../../state/choices";

/** A scale in words: "symlog over 6 decades", "absolute values, linear". */
export function scaleText(kind: ScaleKind, decades: number, absolute = false): string {
  if (absolute && kind !== "log") return `absolute values, ${scaleText(kind, decades)}`;
  if (kind === "linear") return "linear";
  return kind === "log" ? `log of the magnitude over ${decades} decades` : `symlog over ${decades} decades`;
}

/** Whose scale it is: "One scale for all panels". */
export function limitsText(limits: LimitKind, panel: "panel" | "matrix"): string {
  const panels = panel === "panel" ? "panels" : "matrices";
  const texts: Record<LimitKind, string> = {
    shared: `One scale for all ${panels}`,
    run: "One scale for each run",
    panel: `Each ${panel} has a scale of its own`,
    unit: `Each ${panel} runs from 0 for its smallest value to 1 for its largest`,
    typed: `One scale for all ${panels}, with typed limits`,
  };
  return texts[limits];
}
