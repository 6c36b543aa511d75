/** Where the norms of a gate's channels lie at each step: behind the line of their median. */

import { bandPath, curvePath } from "../../drawing/step_curve";
import { type Trace } from "../histograms/arrangement";
import { type Spread, spreadOf } from "./channel_norms";

interface ChannelSpreadProps {
  trace: Trace;
  x: (step: number) => number;
  y: (value: number) => number;
}

export function ChannelSpread({ trace, x, y }: ChannelSpreadProps) {
  const { run } = trace.run;
  const spreads = trace.frames.map(({ step, block }) => ({ step, spread: spreadOf(block) }));
  const line = (end: keyof Spread) => {
    const points = spreads.map(({ step, spread }) => ({ step, value: spread?.[end] ?? null }));
    return <path class="norm-end" d={curvePath(points, x, y)} data-run={run} data-end={end} />;
  };
  const spans = spreads.map(({ step, spread }) => ({
    step,
    span: spread === null ? null : ([spread.low, spread.high] as const),
  }));
  return (
    <>
      <path class="norm-band" d={bandPath(spans, x, y)} data-run={run} />
      {line("least")}
      {line("largest")}
    </>
  );
}
