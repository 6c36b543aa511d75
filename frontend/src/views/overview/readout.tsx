/** What is pointed at in numbers: a cell of the maps, or a step of a trend. */

import { numberText } from "../../drawing/number_text";
import { flows, pointedCell } from "./flow_scene";
import { readFlow } from "./flow_words";
import { pointedTrend, table, trendOf } from "./health_rows";

function CellReadout() {
  const cell = pointedCell.value;
  const here = flows.value.find(({ key }) => key === cell?.key);
  const found = cell === null || here === undefined ? null : readFlow(here, cell.column, cell.row);
  if (cell === null || here === undefined || found === null) return null;
  const others = flows.value.filter(({ key, direction }) => key !== here.key && direction === here.direction);
  const direction = here.run.layer.directions.length > 1 ? `, ${here.direction}` : "";
  return (
    <>
      <span>
        <strong>{here.run.run}</strong>
        {direction}, {found.steps}, {found.timesteps} ({found.lags}): <strong>{found.value}</strong>
      </span>
      {others.map((flow) => (
        <span class="quiet" key={flow.key}>
          {flow.run.run} {readFlow(flow, cell.column, cell.row)?.value ?? "has no such place"}
        </span>
      ))}
    </>
  );
}

function TrendReadout() {
  const place = pointedTrend.value;
  const row = table.value?.rows.find(({ key }) => key === place?.row);
  const column = table.value?.columns.find(({ measure }) => measure === place?.column);
  const trend = row === undefined || column === undefined ? null : trendOf(row, column);
  const point = trend?.points.find(({ step }) => step === place?.step);
  if (row === undefined || trend === null || point === undefined) return null;
  return (
    <span>
      <strong>
        {row.run.run} / {row.layer.layer}
      </strong>
      , {trend.title} at step {point.step}:{" "}
      <strong>{point.value === null ? "not to be had" : numberText(point.value)}</strong>
    </span>
  );
}

export function Readout() {
  if (pointedTrend.value !== null || pointedCell.value !== null) {
    return (
      <output class="readout">
        <CellReadout />
        <TrendReadout />
      </output>
    );
  }
  return (
    <output class="readout quiet">
      Point at a map or a trend to read it, click to look at its step; in a focused map the arrow keys and Enter do so.
    </output>
  );
}
