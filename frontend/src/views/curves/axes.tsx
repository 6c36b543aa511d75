/** Tick numbers beside and below curves. */

import { indexTicks, roundStep } from "../../drawing/ticks";
import { axisTicks, type ValueAxis } from "../../drawing/value_axis";

/** Lines do not begin at the very edge; nor do the numbers. In CSS pixels. */
export const inset = 2;

interface ValueTicksProps {
  axis: ValueAxis;
  height: number;
  /** What is left free above and below the axis. */
  margin?: number;
}

export function ValueTicks({ axis, height, margin = inset }: ValueTicksProps) {
  const drawn = height - 2 * margin;
  return (
    <div class="value-ticks" style={{ height: `${height}px` }} aria-hidden="true">
      {axisTicks(axis, 14 / drawn).map(({ position, text }) => (
        <span key={text} style={{ bottom: `${margin + position * drawn}px` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

const spacing = 48;
/** Nearer to the right edge than this, a number ends there, so as not to reach into the next panel. */
const edge = 16;

function timesteps(first: number, last: number, pixels: number): number[] {
  if (first === 0) return indexTicks(last + 1, pixels, spacing);
  const step = Math.max(1, roundStep((spacing * (last - first)) / Math.max(1, pixels)));
  const from = Math.ceil(first / step);
  return Array.from({ length: Math.floor(last / step) - from + 1 }, (_, i) => (from + i) * step);
}

export function TimeTicks({ first, last, width }: { first: number; last: number; width: number }) {
  const place = (at: number) =>
    first === last ? width / 2 : inset + ((at - first) / (last - first)) * (width - 2 * inset);
  return (
    <div class="time-ticks" style={{ width: `${width}px` }} aria-hidden="true">
      {timesteps(first, last, width).map((at) => {
        const left = place(at);
        return left > width - edge ? (
          <span key={at} class="end">
            {at}
          </span>
        ) : (
          <span key={at} style={{ left: `${left}px` }}>
            {at}
          </span>
        );
      })}
    </div>
  );
}
