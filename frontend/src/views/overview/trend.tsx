/** A number over the steps, as small as a word. */

import { visibleColour } from "../../drawing/line_colours";
import { numberText } from "../../drawing/number_text";
import { alongSteps, curvePath, type StepPoint } from "../../drawing/step_curve";
import { trendHeight, type TrendAxis } from "../../drawing/trend_axis";
import { choose } from "../../state/choices";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { keptSteps, snappedStep } from "../../state/series";
import { nearestStep } from "../../state/steps";
import { type HealthRow, type HealthTable, pointedTrend, type TableColumn, type Trend } from "./health_rows";

const width = 100;
const height = 20;
/** What is left free above and below, so that a line at the edge is whole. */
const margin = 1.5;

interface TrendProps {
  row: HealthRow;
  column: TableColumn;
  trend: Trend;
  of: HealthTable;
  position: number;
}

/** "gradient horizon from 4 at step 0 to 6 at step 100". */
export function trendText(title: string, points: readonly StepPoint[]): string {
  const there = points.flatMap(({ step, value }) => (value === null ? [] : [{ step, value }]));
  if (there.length === 0) return `${title}: nothing finite`;
  const [first, last] = [there[0], there[there.length - 1]];
  if (first === last) return `${title}: ${numberText(last.value, 3)} at step ${last.step}`;
  return `${title} from ${numberText(first.value, 3)} at step ${first.step} to ${numberText(last.value, 3)} at step ${last.step}`;
}

function verticalAt(x: number, name: string) {
  return <path class={name} d={`M${x} 0V${height}`} />;
}

export function TrendLine({ row, column, trend, of, position }: TrendProps) {
  const axis: TrendAxis = of.axes.get(column.measure) ?? { low: 0, high: 1, isLog: false };
  const x = (step: number) => alongSteps(step, of.first, of.last) * width;
  const y = (value: number) => margin + (1 - trendHeight(axis, value)) * (height - 2 * margin);
  const here = pointedTrend.value;
  const isHere = here?.row === row.key && here.column === column.measure;
  // The latest step is where every trend ends: a line there would say nothing.
  const now = snappedStep.value === keptSteps.value.at(-1) ? null : snappedStep.value;
  const steps = trend.points.flatMap(({ step, value }) => (value === null ? [] : [step]));
  return (
    <svg
      class="trend"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={trendText(`${row.run.run} / ${row.layer.layer}, ${trend.title}`, trend.points)}
      data-run={row.run.run}
      data-layer={row.layer.layer}
      data-measure={column.measure}
      data-low={axis.low}
      data-high={axis.high}
      data-log={axis.isLog ? "true" : "false"}
      data-first={of.first}
      data-last={of.last}
      onPointerMove={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const step = nearestStep(steps, of.first + ((event.clientX - box.left) / box.width) * (of.last - of.first));
        pointedTrend.value = step === null ? null : { row: row.key, column: column.measure, step };
      }}
      onPointerLeave={() => {
        pointedTrend.value = null;
      }}
      onClick={() => {
        if (pointedTrend.value !== null) choose({ layer: row.layer.layer, step: pointedTrend.value.step });
      }}
    >
      {now === null || now < of.first || now > of.last ? null : verticalAt(x(now), "trend-now")}
      <path
        class="trend-line"
        d={curvePath(trend.points, x, y)}
        style={{ stroke: visibleColour(runColour(position), dark.value) }}
      />
      {isHere ? verticalAt(x(here.step), "trend-here") : null}
    </svg>
  );
}
