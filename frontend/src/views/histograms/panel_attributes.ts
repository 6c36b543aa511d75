/** How the drawing of a panel is found and read, whatever draws it: its name, its block of numbers and its axis, to the last digit. */

import { type HistogramPanel } from "./arrangement";
import { type PanelAxes } from "./scene";
import { panelLabel } from "./wording";

/** `kind`: what is drawn, in the panel's name; `limit`: what reaches to the end of the drawing's other axis, or scale of colours. */
export function panelAttributes(panel: HistogramPanel, { axis }: PanelAxes, kind: string, limit: number) {
  return {
    role: "img",
    tabindex: 0,
    "aria-label": panelLabel(panel, kind),
    "data-direction": panel.direction,
    "data-matrix": panel.matrix,
    "data-gate": panel.gate,
    "data-kind": axis.kind,
    "data-low": axis.low,
    "data-high": axis.high,
    "data-floor": axis.floor,
    "data-limit": limit,
  } as const;
}
