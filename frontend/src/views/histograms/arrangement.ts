/** Which histograms there are, and where: gates by matrices, a group for each direction. */

import { type Bars, barsOf, type Histogram } from "../../drawing/histogram";
import { type BinAxis } from "../../drawing/bin_axis";
import { mergedOrder } from "../../state/catalogue";
import { sortMatrices } from "../../state/panels";
import { type SeriesOfRun } from "../../state/series";
import { type Block, type StatisticsOfRun } from "../../state/statistics";

/** A block of numbers at one step. */
export interface Frame {
  step: number;
  block: Block;
  /** null where nothing is finite. */
  histogram: Histogram | null;
}

/** What one run has to show in a panel: one step, or several. */
export interface Trace {
  run: SeriesOfRun;
  frames: Frame[];
}

export interface HistogramPanel {
  key: string;
  direction: string;
  matrix: string;
  gate: string;
  traces: Trace[];
}

/** A row of panels, one for each column of its section; null where there is nothing. */
export interface Row {
  gate: string;
  panels: (HistogramPanel | null)[];
}

/** Matrices that are cut by gates, or those that are not. */
export interface Section {
  matrices: string[];
  rows: Row[];
}

export interface Group {
  key: string;
  direction: string;
  /** The only run of it; null where runs are overlaid. */
  run: SeriesOfRun | null;
  sections: Section[];
}

export type HistogramField = "linear" | "magnitude";

/** In the bins that were asked for, where the arrays are there to be counted. */
function histogramOf(block: Block, field: HistogramField): Histogram | null {
  const { binned } = block;
  if (binned === undefined || binned === null) return block[field] ?? null;
  return binned.counts.length === 0 ? null : binned;
}

export function barsIn(frame: Frame, axis: BinAxis): Bars | null {
  return frame.histogram === null ? null : barsOf(frame.histogram, axis);
}

function blocksOf(statistics: readonly StatisticsOfRun[], direction: string): Block[] {
  return statistics
    .flatMap(({ steps }) => steps.flatMap(({ blocks }) => blocks))
    .filter((block) => block.direction === direction);
}

function tracesOf(
  field: HistogramField,
  statistics: readonly StatisticsOfRun[],
  direction: string,
  matrix: string,
  gate: string,
): Trace[] {
  return statistics.flatMap(({ run, steps }) => {
    const frames = steps.flatMap(({ step, blocks }) => {
      const block = blocks.find((one) => one.direction === direction && one.matrix === matrix && one.gate === gate);
      return block === undefined ? [] : [{ step, block, histogram: histogramOf(block, field) }];
    });
    return frames.length === 0 ? [] : [{ run, frames }];
  });
}

function sectionsOf(
  field: HistogramField,
  statistics: readonly StatisticsOfRun[],
  direction: string,
  group: string,
): Section[] {
  const blocks = blocksOf(statistics, direction);
  const gates = mergedOrder(statistics.map(({ run }) => run.layer.gates));
  const sectionOf = (rows: string[], among: Block[]): Section => {
    const matrices = sortMatrices(among.map(({ matrix }) => `${direction}/${matrix}`)).map((name) =>
      name.slice(direction.length + 1),
    );
    const panel = (matrix: string, gate: string) => {
      const traces = tracesOf(field, statistics, direction, matrix, gate);
      const key = JSON.stringify([group, matrix, gate]);
      return traces.length === 0 ? null : { key, direction, matrix, gate, traces };
    };
    return { matrices, rows: rows.map((gate) => ({ gate, panels: matrices.map((matrix) => panel(matrix, gate)) })) };
  };
  const gated = blocks.filter(({ gate }) => gate !== "");
  const whole = blocks.filter(({ gate }) => gate === "");
  return [
    ...(gated.length > 0 ? [sectionOf(gates, gated)] : []),
    ...(whole.length > 0 ? [sectionOf([""], whole)] : []),
  ];
}

/**
 * A group for each direction with all runs in it; or, not overlaid, one for each direction of each run. What was fetched
 * before may have the other kind of histogram: those are left out.
 */
export function arrange(
  statistics: readonly StatisticsOfRun[],
  overlaid: boolean,
  field: HistogramField = "linear",
): Group[] {
  const alone = statistics.map((one) => [one]);
  return (overlaid ? [[...statistics]] : alone).flatMap((members) => {
    const run = overlaid ? null : members[0].run;
    return mergedOrder(members.map((one) => one.run.layer.directions)).flatMap((direction) => {
      const key = JSON.stringify([run?.run ?? null, direction]);
      const sections = sectionsOf(field, members, direction, key);
      return sections.length === 0 ? [] : [{ key, direction, run, sections }];
    });
  });
}

export function panelsOf(group: Group): HistogramPanel[] {
  return group.sections.flatMap(({ rows }) => rows.flatMap(({ panels }) => panels.flatMap((panel) => panel ?? [])));
}
