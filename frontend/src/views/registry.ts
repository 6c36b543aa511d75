/** The views, in the order of their tabs. To add one is to add a line here. */

import { type ComponentType } from "preact";
import { type Needs } from "../state/needs";
import { CurvesControls } from "./curves/curves_controls";
import { CurvesView } from "./curves/curves_view";
import { HeatmapControls } from "./heatmap/heatmap_controls";
import { HeatmapView } from "./heatmap/heatmap_view";
import { HistogramsControls } from "./histograms/histograms_controls";
import { HistogramsView } from "./histograms/histograms_view";
import { flowQuantities } from "./overview/flow_scene";
import { introductions, type Introduction } from "./introductions";
import { OverviewControls } from "./overview/overview_controls";
import { OverviewView } from "./overview/overview_view";
import { ScatterControls } from "./scatter/scatter_controls";
import { ScatterView } from "./scatter/scatter_view";
import { WeightsControls } from "./weights/weights_controls";
import { WeightsView } from "./weights/weights_view";

export interface View {
  /** As it stands in the address. */
  name: string;
  /** As it stands on the tab. */
  label: string;
  introduction: Introduction;
  Component: ComponentType;
  /** What of it can be set, besides the runs, the layer and the quantity. */
  Controls: ComponentType;
  /** Left out: arrays, of any kind. */
  needs?: Needs;
}

export const views: readonly [View, ...View[]] = [
  {
    name: "overview",
    label: "Overview",
    introduction: introductions.overview,
    Component: OverviewView,
    Controls: OverviewControls,
    needs: { arrays: false, kind: null, among: flowQuantities, compares: false },
  },
  {
    name: "heatmap",
    label: "Heatmap",
    introduction: introductions.heatmap,
    Component: HeatmapView,
    Controls: HeatmapControls,
    needs: { arrays: true, kind: null, arranges: true },
  },
  {
    name: "curves",
    label: "Curves",
    introduction: introductions.curves,
    Component: CurvesView,
    Controls: CurvesControls,
  },
  {
    name: "scatter",
    label: "Scatter",
    introduction: introductions.scatter,
    Component: ScatterView,
    Controls: ScatterControls,
  },
  {
    name: "histograms",
    label: "Histograms",
    introduction: introductions.histograms,
    Component: HistogramsView,
    Controls: HistogramsControls,
    needs: { arrays: false, kind: null },
  },
  {
    name: "weights",
    label: "Weights",
    introduction: introductions.weights,
    Component: WeightsView,
    Controls: WeightsControls,
    needs: { arrays: true, kind: "matrices", arranges: true },
  },
];

export function viewNamed(name: string): View {
  return views.find((view) => view.name === name) ?? views[0];
}
