/** The views, in the order of their tabs. To add one is to add a line here. */

import { type ComponentType } from "preact";
import { HeatmapView } from "./heatmap/heatmap_view";

export interface View {
  /** As it stands in the address. */
  name: string;
  /** As it stands on the tab. */
  label: string;
  Component: ComponentType;
}

export const views: readonly [View, ...View[]] = [{ name: "heatmap", label: "Heatmap", Component: HeatmapView }];

export function viewNamed(name: string): View {
  return views.find((view) => view.name === name) ?? views[0];
}
