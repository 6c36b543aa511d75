/** The view, or one of its panels, as a figure. */

import { layerName, quantity } from "../state/catalogue";
import { quantityTitle } from "../state/names";
import { drawFigure, type Figure } from "./figure";
import { takeableOf } from "./takeable";

/** Where the pointer is, what a control says, what is not yet there. */
const leftOut = [
  ".unseen",
  ".readout",
  ".loading",
  ".crosshair",
  ".emphasis",
  ".time-cursor",
  ".drag-range",
  ".dot-ring",
  ".mark",
  ".norm-line.here",
  ".large-buttons",
  "[data-not-taken]",
].join();

/** What the controls beside a view say, and the view itself does not. */
export function viewTitle(): string {
  const name = quantity.value?.quantity;
  return [layerName.value ?? "", name === undefined ? "" : quantityTitle(name)]
    .filter((part) => part !== "")
    .join(": ");
}

/** Panels are there only where they are in sight: of the lines of curves those that show at least half of themselves. */
function isOutOfSight(line: Element, view: Element): boolean {
  const headings = view.querySelector(".curve-headings")?.getBoundingClientRect();
  const [seen, box] = [view.getBoundingClientRect(), line.getBoundingClientRect()];
  const middle = (box.top + box.bottom) / 2;
  return box.top < (headings?.bottom ?? seen.top) - 1 || middle > seen.bottom;
}

export function viewFigure(view: HTMLElement): Figure {
  const lines = new Set([...view.querySelectorAll(".curve-line")].filter((line) => isOutOfSight(line, view)));
  const scrolled = view.scrollTop;
  // What stays in sight while a view is scrolled would lie over other things.
  if (view.querySelector(".curve-line") === null) view.scrollTop = 0;
  try {
    return drawFigure({
      element: view,
      beside: null,
      title: viewTitle(),
      isLeftOut: (element) => element.matches(leftOut) || lines.has(element),
    });
  } finally {
    view.scrollTop = scrolled;
  }
}

/** With the colours that all panels share, where it has none of its own. */
export function panelFigure(view: HTMLElement, panel: Element): Figure {
  const isHeatmap = panel.querySelector("canvas.heatmap") !== null;
  const shared = isHeatmap && panel.querySelector(".colour-bar") === null ? view.querySelector(".beside-grid") : null;
  return drawFigure({
    element: panel,
    beside: shared,
    title: takeableOf(panel)?.title ?? "",
    isLeftOut: (element) => element.matches(leftOut),
  });
}
