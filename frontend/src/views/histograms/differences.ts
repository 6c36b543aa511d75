/** Which histograms of a panel are subtracted. */

import { type BinAxis } from "../../drawing/bin_axis";
import { densityDifference, type DensityDifference } from "../../drawing/histogram_difference";
import { keyOfRun, type ShownRun } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { areDifferences, differences } from "../../state/columns";
import { barsIn, type HistogramPanel } from "./arrangement";

/** Over all steps each run is drawn by itself: there is nothing to take away. */
export function drawsDifferences(): boolean {
  return choices.value.over === "step" && areDifferences.value;
}

export interface FoundDifference {
  column: ShownRun;
  difference: DensityDifference;
}

export function differencesIn({ traces }: HistogramPanel, axis: BinAxis): FoundDifference[] {
  const barsOfRun = ({ run, moment }: ShownRun) => {
    const trace = traces.find((candidate) => candidate.run.key === keyOfRun(run, moment));
    return trace === undefined ? null : barsIn(trace.frames[0], axis);
  };
  return differences.value.flatMap((column) => {
    const own = barsOfRun(column);
    const taken = column.minus === null ? null : barsOfRun(column.minus);
    const hasBoth = own !== null && taken !== null && own.total > 0 && taken.total > 0;
    return hasBoth ? [{ column, difference: densityDifference(own, taken) }] : [];
  });
}

/** The largest difference in any of the panels that share their axes. */
export function largestDifference(panels: readonly HistogramPanel[], axis: BinAxis): number {
  return panels
    .flatMap((panel) => differencesIn(panel, axis))
    .flatMap(({ difference }) => [...difference.differences])
    .reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
