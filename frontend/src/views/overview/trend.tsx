/** A number over the steps, as small as a word. */

import { visibleColour } from "../../drawing/line_colours";
import { measuredText } from "../../drawing/number_text";
import { alongSteps, curvePath, type StepPoint } from "../../drawing/step_curve";
import { trendHeight, type TrendAxis } from "../../drawing/trend_axis";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { chooseLayer } from "../../state/region";
import { keptSteps, snappedStep } from "../../state/series";
import { nearestStep } from "../../state/steps";
import { type HealthRow, pointedTrend } from "./health_rows";

const width = 100;
const height = 20;
/** What is left free above and below, so that a line at the edge is whole. */
const margin = 1.5;

interface TrendProps {
  row: HealthRow;
  /** Unlike that of any other trend of the row. */
  name: string;
  measure: string;
  title: string;
  points: StepPoint[];
  axis: TrendAxis | undefined;
  /** The first and the last step of all trends. */
  ends: { first: number; last: number };
  position: number;
}

/** "gradient horizon from 4 at step 0 to 6 at step 100". */
export function trendText(title: string, points: readonly StepPoint[]): string {
  const there = points.flatMap(({ step, value }) => (value === null ? [] : [{ step, value }]));
  if (there.length === 0) return `${title}: nothing finite`;
  const [first, last] = [there[0], there[there.length - 1]];
  if (first === last) return `${title}: ${measuredText(last.value, 3)} at step ${last.step}`;
  return `${title} from ${measuredText(first.value, 3)} at step ${first.step} to ${measuredText(last.value, 3)} at step ${last.step}`;
}

function verticalAt(x: number, name: string) {
  return <path class={name} d={`M${x} 0V${height}`} />;
}

function point(event: PointerEvent, { row, name, title, points, ends }: TrendProps): void {
  const box = (event.currentTarget as Element).getBoundingClientRect();
  const steps = points.flatMap(({ step, value }) => (value === null ? [] : [step]));
  const under = ends.first + ((event.clientX - box.left) / box.width) * (ends.last - ends.first);
  const step = nearestStep(steps, under);
  const found = points.find((one) => one.step === step);
  pointedTrend.value =
    found === undefined ? null : { row: row.key, name, run: row.run.run, layer: row.layer.layer, title, point: found };
}

export function TrendLine(props: TrendProps) {
  const { row, name, measure, title, points, ends, position } = props;
  const axis = props.axis ?? { low: 0, high: 1, isLog: false };
  const x = (step: number) => alongSteps(step, ends.first, ends.last) * width;
  const y = (value: number) => margin + (1 - trendHeight(axis, value)) * (height - 2 * margin);
  const here = pointedTrend.value;
  const isHere = here?.row === row.key && here.name === name;
  // The latest step is where every trend ends: a line there would say nothing.
  const now = snappedStep.value === keptSteps.value.at(-1) ? null : snappedStep.value;
  return (
    <svg
      class="trend"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={trendText(`${row.run.run} / ${row.layer.layer}, ${title}`, points)}
      data-run={row.run.run}
      data-layer={row.layer.layer}
      data-measure={measure}
      data-low={axis.low}
      data-high={axis.high}
      data-log={axis.isLog ? "true" : "false"}
      data-first={ends.first}
      data-last={ends.last}
      onPointerMove={(event) => {
        point(event, props);
      }}
      onPointerLeave={() => {
        pointedTrend.value = null;
      }}
      onClick={() => {
        if (pointedTrend.value !== null) chooseLayer(row.layer.layer, { step: pointedTrend.value.point.step });
      }}
    >
      {now === null || now < ends.first || now > ends.last ? null : verticalAt(x(now), "trend-now")}
      <path
        class="trend-line"
        d={curvePath(points, x, y)}
        style={{ stroke: visibleColour(runColour(position), dark.value) }}
      />
      {isHere ? verticalAt(x(here.point.step), "trend-here") : null}
    </svg>
  );
}
