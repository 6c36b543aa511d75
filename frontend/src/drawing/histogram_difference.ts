/** The difference of two histograms: where one has more of its values than the other, and where fewer. */

import { type BinAxis, fractionOf } from "./bin_axis";
import { type Bars, densities } from "./histogram";

export interface DensityDifference {
  /** As u of the axis, ascending: one more than there are differences. */
  edges: readonly number[];
  /** The share of all values for each unit of the axis, less that of the other. */
  differences: readonly number[];
}

/** The density of each of the intervals; 0 where the histogram has no bar. */
function densitiesWithin(bars: Bars, edges: readonly number[]): number[] {
  const own = densities(bars);
  let bar = 0;
  return edges.slice(1).map((_, i) => {
    const middle = (edges[i] + edges[i + 1]) / 2;
    while (bar < own.length && bars.edges[bar + 1] <= middle) bar++;
    return bar < own.length && bars.edges[bar] <= middle ? own[bar] : 0;
  });
}

/** Between all the edges of both: bins of different widths need no guess. */
export function densityDifference(one: Bars, other: Bars): DensityDifference {
  const edges = [...new Set([...one.edges, ...other.edges])].sort((a, b) => a - b);
  const [own, taken] = [densitiesWithin(one, edges), densitiesWithin(other, edges)];
  return { edges, differences: own.map((density, i) => density - taken[i]) };
}

function short(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

/** An SVG path between the line of no difference, at half the height, and the differences; the limit is at the edges. */
export function differencePath(
  { edges, differences }: DensityDifference,
  axis: BinAxis,
  limit: number,
  { width, height }: { width: number; height: number },
): string {
  const x = (edge: number) => short(fractionOf(axis, edge) * width);
  const zero = short(height / 2);
  const y = (difference: number) => short((height / 2) * (1 - (limit === 0 ? 0 : difference / limit)));
  const steps = differences.map((difference, i) => `V${y(difference)}H${x(edges[i + 1])}`);
  return `M${x(edges[0])} ${zero}${steps.join("")}V${zero}Z`;
}
