/** The place that is pointed at: a value, and where several steps are drawn a step. Every panel marks the same place. */

import { signal } from "@preact/signals";
import { barsIn, type Frame, type HistogramPanel, type Trace } from "./arrangement";
import { type PanelAxes } from "./scene";

export interface PointedPlace {
  panel: string;
  /** Panels with these axes mark it too. */
  axes: string;
  /** Along the value axis. */
  u: number;
  /** null where a panel shows one step of each run. */
  step: number | null;
}

export const pointedPlace = signal<PointedPlace | null>(null);

/** The frame of a run that is nearest to a step; of a single one, that. */
export function frameAt({ frames }: Trace, step: number | null): Frame {
  const distance = (frame: Frame) => (step === null ? 0 : Math.abs(frame.step - step));
  return frames.reduce((nearest, frame) => (distance(frame) < distance(nearest) ? frame : nearest));
}

export interface PointedBar {
  low: number;
  high: number;
  count: number;
  total: number;
  /** How many finite values there were: more than were counted where a sample of them was. */
  finite: number;
}

/** The bar of a frame that holds u; null beyond its first and last. */
export function barAt(frame: Frame, { axis }: Pick<PanelAxes, "axis">, u: number): PointedBar | null {
  const bars = barsIn(frame, axis);
  if (bars === null) return null;
  const at = bars.edges.findLastIndex((edge) => edge <= u);
  if (at < 0 || at >= bars.counts.length) return null;
  const { count = bars.total, nan = 0, inf = 0 } = frame.block;
  const [low, high] = bars.edges.slice(at, at + 2);
  return { low, high, count: bars.counts[at], total: bars.total, finite: count - nan - inf };
}

/** The middle of the bar beside the one at u, of the first run that has any. */
export function besideBar(
  panel: HistogramPanel,
  axes: PanelAxes,
  u: number,
  step: number | null,
  turn: 1 | -1,
): number {
  const frame = panel.traces.map((trace) => frameAt(trace, step)).find(({ histogram }) => histogram !== null);
  const bars = frame === undefined ? null : barsIn(frame, axes.axis);
  if (bars === null) return u;
  const last = bars.counts.length - 1;
  const now = bars.edges.findLastIndex((edge) => edge <= u);
  const next = Math.max(0, Math.min(last, (now < 0 ? -1 : Math.min(now, last + 1)) + turn));
  return (bars.edges[next] + bars.edges[next + 1]) / 2;
}
