/** A panel of histograms, or of what was counted over the steps, as it is taken away. */

import { quantityPhrase } from "../../state/names";
import { histogramNumbers, stepNumbers, type ValuesAtStep } from "../../take_away/panel_numbers";
import { type PanelWords } from "../../take_away/panel_words";
import { type Takeable } from "../../take_away/takeable";
import { type HistogramPanel } from "./arrangement";
import { panelText } from "./wording";

const mostRunsNamed = 3;

function runsText(panel: HistogramPanel): string {
  const runs = [...new Set(panel.traces.map(({ run }) => run.run))];
  return runs.length > mostRunsNamed ? `${runs.length} runs` : runs.join(", ");
}

function stepsPart(panel: HistogramPanel): string {
  const steps = panel.traces.flatMap(({ frames }) => frames.map(({ step }) => step));
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  return first === last ? `step${first}` : `steps${first}-${last}`;
}

function words(panel: HistogramPanel, what: string): PanelWords {
  const [{ run }] = panel.traces;
  const { layer } = run.layer;
  const { quantity } = run.quantity;
  const place = panelText(panel);
  return {
    name: [runsText(panel), place, what].filter((part) => part !== "").join(", "),
    title: [`${layer} ${quantityPhrase(quantity)}`, place, what].filter((part) => part !== "").join(", "),
    fileParts: [runsText(panel).replaceAll(", ", "+"), layer, quantity, stepsPart(panel), place, what],
  };
}

export function takeableHistogram(panel: HistogramPanel): Takeable {
  const histograms = panel.traces.flatMap(({ run, frames }) =>
    frames.map(({ step, histogram }) => ({ run: run.run, step, histogram })),
  );
  return { ...words(panel, ""), numbers: () => Promise.resolve(histogramNumbers(histograms)) };
}

export interface StepsTaken {
  /** What they are: "l2 norm". */
  what: string;
  /** What each of a step's numbers is called. */
  names: readonly string[];
  points: readonly ValuesAtStep[];
}

/** Numbers of each step. */
export function takeableSteps(panel: HistogramPanel, { what, names, points }: StepsTaken): Takeable {
  return { ...words(panel, what), numbers: () => Promise.resolve(stepNumbers(names, points)) };
}
