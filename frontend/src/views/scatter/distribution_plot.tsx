/** How the values of the whole batch are distributed, over how they were at an earlier step or are in another run. */

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
import { columnName, nameAmongOthers } from "../../state/columns";
import { quantityPhrase, runColour } from "../../state/names";
import { type ShownRun } from "../../state/catalogue";
import { histogramNumbers } from "../../take_away/panel_numbers";
import { type Takeable, useTakeable } from "../../take_away/takeable";
import { type Size } from "./dot_plot";
import { type Distribution, type Distributions, distributions } from "./scene";
import { distinction, distributionLabel } from "./wording";

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
  const drawn = together.flatMap((one) => histogramsOf(one.own));
  const against = together.flatMap((one) => histogramsOf(one.against));
  const axis = axisOver([...drawn, ...against], "linear", 0);
  const tallest = (histograms: LinearHistogram[]) =>
    densityLimit(
      histograms.map((histogram) => barsOf(histogram, axis)),
      false,
    );
  const limit = tallest([...drawn, ...against]);
  return { axis, limit: drawn.length === 0 ? limit : Math.min(limit, mostAbove * tallest(drawn)) };
}

const outline = { width: 1000, base: 100, limitAt: 2, top: 0 };

function barsAt(one: Distribution | null, axis: BinAxis): Bars | null {
  const histogram = one?.histogram ?? null;
  return histogram === null ? null : barsOf(histogram, axis);
}

interface LegendProps extends Distributions {
  run: ShownRun;
  colour: string;
  isCut: boolean;
}

function Legend({ run, own, against, colour, isCut }: LegendProps) {
  return (
    <p class="distribution-legend quiet">
      {own === null ? null : (
        <span>
          <i style={{ background: colour }} />
          {distinction(own, against)}
        </span>
      )}
      {against === null ? (
        run.moment === "now" && <span>no earlier step</span>
      ) : (
        <span>
          <i class="earlier" />
          {distinction(against, own)}
          {isCut ? ", its top cut off" : ""}
        </span>
      )}
    </p>
  );
}

function takeableDistributions(run: ShownRun, { own, against }: Distributions): Takeable {
  const steps = [own, against].flatMap((one) => (one === null ? [] : `step ${one.step}`));
  const { layer, quantity } = run;
  return {
    name: `${nameAmongOthers(run, own)}, distribution`,
    title: `${columnName(run)}, ${layer.layer} ${quantityPhrase(quantity.quantity)}, distribution`,
    fileParts: [columnName(run), layer.layer, quantity.quantity, ...steps.slice(0, 1), "distribution"],
    numbers: () => Promise.resolve(histogramNumbers([own, against].flatMap((one) => one ?? []))),
  };
}

export function DistributionPlot({ run, size }: { run: ShownRun; size: Size }) {
  const both = distributions.value.get(run.key);
  const place = useTakeable<HTMLDivElement>(() => takeableDistributions(run, both ?? { own: null, against: null }));
  if (both === undefined || [both.own, both.against].flatMap(histogramsOf).length === 0) {
    return (
      <div class="distribution" style={{ width: `${size.width}px` }}>
        <div class="curve-nothing" style={{ height: `${size.height}px` }}>
          {(both?.own ?? null) === null ? "Loading\u2026" : "nothing finite"}
        </div>
      </div>
    );
  }
  const { axis, limit } = axesFor(both);
  const colour = visibleColour(runColour(run.position), dark.value);
  const [own, against] = [barsAt(both.own, axis), barsAt(both.against, axis)];
  const isCut = against !== null && clippedPeaks(against, axis, limit).length > 0;
  return (
    <div class="distribution" ref={place} style={{ width: `${size.width}px` }}>
      <svg
        viewBox={`0 0 ${outline.width} ${outline.base}`}
        preserveAspectRatio="none"
        style={{ width: `${size.width}px`, height: `${size.height}px` }}
        role="img"
        aria-label={distributionLabel(run.run, both)}
        data-run={run.run}
        data-low={axis.low}
        data-high={axis.high}
        data-limit={limit}
      >
        {own === null ? null : (
          <path
            class="now"
            d={outlinePath(own, axis, limit, outline)}
            style={{ fill: colour, stroke: colour }}
            data-run={both.own?.run}
            data-step={both.own?.step}
          />
        )}
        {against === null ? null : (
          <path
            class="earlier"
            d={outlinePath(against, axis, limit, outline)}
            data-run={both.against?.run}
            data-step={both.against?.step}
          />
        )}
      </svg>
      <div class="time-ticks" aria-hidden="true">
        {axisTicks(axis, 40 / size.width).map(({ fraction, text }) => (
          <span key={text} style={{ left: `${fraction * size.width}px` }}>
            {text}
          </span>
        ))}
      </div>
      <Legend {...both} run={run} colour={colour} isCut={isCut} />
    </div>
  );
}
