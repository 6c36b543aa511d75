/** How the values of the whole batch are distributed now, over how they were at an earlier step. */

import { axisTicks, type BinAxis } from "../../drawing/bin_axis";
import {
  axisOver,
  type Bars,
  barsOf,
  clippedPeaks,
  densityLimit,
  type LinearHistogram,
  outlinePath,
} from "../../drawing/histogram";
import { visibleColour } from "../../drawing/line_colours";
import { choices } from "../../state/choices";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { type ShownRun } from "../../state/catalogue";
import { type Size } from "./dot_plot";
import { type Distribution, type Distributions, distributions } from "./scene";
import { distributionLabel } from "./wording";

function histogramsOf(one: Distribution | null): LinearHistogram[] {
  const histogram = one?.histogram ?? null;
  return histogram === null ? [] : [histogram];
}

interface Axes {
  axis: BinAxis;
  /** The density at which bars are cut off. */
  limit: number;
}

/** Values that were much closer together once would leave nothing of what they are now. */
const mostAbove = 2;

/** Shared with all runs, or of one run alone. */
function axesFor(own: Distributions): Axes {
  const together = choices.value.shared ? [...distributions.value.values()] : [own];
  const [now, earlier] = [
    together.flatMap((one) => histogramsOf(one.now)),
    together.flatMap((one) => histogramsOf(one.earlier)),
  ];
  const axis = axisOver([...now, ...earlier], "linear", 0);
  const tallest = (histograms: LinearHistogram[]) =>
    densityLimit(
      histograms.map((histogram) => barsOf(histogram, axis)),
      false,
    );
  const limit = tallest([...now, ...earlier]);
  return { axis, limit: now.length === 0 ? limit : Math.min(limit, mostAbove * tallest(now)) };
}

const outline = { width: 1000, base: 100, limitAt: 2, top: 0 };

function barsAt(one: Distribution | null, axis: BinAxis): Bars | null {
  const histogram = one?.histogram ?? null;
  return histogram === null ? null : barsOf(histogram, axis);
}

function Legend({ now, earlier, colour, isCut }: Distributions & { colour: string; isCut: boolean }) {
  return (
    <p class="distribution-legend quiet">
      <span>
        <i style={{ background: colour }} />
        {now === null ? "" : `step ${now.step}`}
      </span>
      {earlier === null || earlier.step === now?.step ? (
        <span>no earlier step</span>
      ) : (
        <span>
          <i class="earlier" />
          step {earlier.step}
          {isCut ? ", its top cut off" : ""}
        </span>
      )}
    </p>
  );
}

export function DistributionPlot({ run, size }: { run: ShownRun; size: Size }) {
  const own = distributions.value.get(run.run);
  if (own === undefined || [own.now, own.earlier].flatMap(histogramsOf).length === 0) {
    return (
      <div class="distribution" style={{ width: `${size.width}px` }}>
        <div class="curve-nothing" style={{ height: `${size.height}px` }}>
          {(own?.now ?? null) === null ? "Loading\u2026" : "nothing finite"}
        </div>
      </div>
    );
  }
  const { axis, limit } = axesFor(own);
  const colour = visibleColour(runColour(run.position), dark.value);
  const [now, earlier] = [
    barsAt(own.now, axis),
    own.earlier?.step === own.now?.step ? null : barsAt(own.earlier, axis),
  ];
  const isCut = earlier !== null && clippedPeaks(earlier, axis, limit).length > 0;
  return (
    <div class="distribution" style={{ width: `${size.width}px` }}>
      <svg
        viewBox={`0 0 ${outline.width} ${outline.base}`}
        preserveAspectRatio="none"
        style={{ width: `${size.width}px`, height: `${size.height}px` }}
        role="img"
        aria-label={distributionLabel(run.run, own)}
        data-run={run.run}
        data-low={axis.low}
        data-high={axis.high}
        data-limit={limit}
      >
        {now === null ? null : (
          <path
            class="now"
            d={outlinePath(now, axis, limit, outline)}
            style={{ fill: colour, stroke: colour }}
            data-step={own.now?.step}
          />
        )}
        {earlier === null ? null : (
          <path class="earlier" d={outlinePath(earlier, axis, limit, outline)} data-step={own.earlier?.step} />
        )}
      </svg>
      <div class="time-ticks" aria-hidden="true">
        {axisTicks(axis, 40 / size.width).map(({ fraction, text }) => (
          <span key={text} style={{ left: `${fraction * size.width}px` }}>
            {text}
          </span>
        ))}
      </div>
      <Legend {...own} colour={colour} isCut={isCut} />
    </div>
  );
}
