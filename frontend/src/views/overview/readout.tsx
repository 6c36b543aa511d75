/** What is pointed at in numbers: a cell of the maps, a step of a trend, or a unit. */

import { measuredText, numberText } from "../../drawing/number_text";
import { flows, pointedCell } from "./flow_scene";
import { readFlow } from "./flow_words";
import { pointedTrend, type PointedTrend } from "./health_rows";
import { plots, pointedUnit, timestepsText } from "./timescale_scene";

/** The cell that is pointed at, if its map still has it. */
function cellHere() {
  const cell = pointedCell.value;
  const here = flows.value.find(({ key }) => key === cell?.key);
  const found = cell === null || here === undefined ? null : readFlow(here, cell.column, cell.row);
  return cell === null || here === undefined || found === null ? null : { cell, here, found };
}

function CellReadout({ of: { cell, here, found } }: { of: NonNullable<ReturnType<typeof cellHere>> }) {
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

function TrendReadout({ of: { run, layer, title, point } }: { of: PointedTrend }) {
  return (
    <span>
      <strong>
        {run} / {layer}
      </strong>
      , {title} at step {point.step}:{" "}
      <strong>{point.value === null ? "not to be had" : measuredText(point.value)}</strong>
    </span>
  );
}

/** The unit that is pointed at, if its plot still has it. */
function unitHere() {
  const here = pointedUnit.value;
  const plot = here === null ? undefined : plots.value.find(({ key }) => key === here.key);
  const dot = plot?.dots.find(({ unit }) => unit === here?.unit);
  return plot === undefined || dot === undefined ? null : { plot, dot };
}

function UnitReadout({ of: { plot, dot } }: { of: NonNullable<ReturnType<typeof unitHere>> }) {
  const { run, layer } = plot.of;
  return (
    <span>
      <strong>
        {run} / {layer}
      </strong>
      {plot.isOneOfTwo ? `, ${plot.values.direction}` : ""}, unit {dot.unit}: {plot.values.gate} gate{" "}
      <strong>{timestepsText(dot.gate)}</strong>, gradient <strong>{timestepsText(dot.gradient)}</strong>{" "}
      <span class="quiet">
        (R{"\u00b2"} {numberText(dot.fit, 3)})
      </span>
    </span>
  );
}

export function Readout() {
  const [cell, trend, unit] = [cellHere(), pointedTrend.value, unitHere()];
  if (cell !== null || trend !== null || unit !== null) {
    return (
      <output class="readout">
        {cell === null ? null : <CellReadout of={cell} />}
        {trend === null ? null : <TrendReadout of={trend} />}
        {unit === null ? null : <UnitReadout of={unit} />}
      </output>
    );
  }
  return (
    <output class="readout quiet">
      Point at a map or a trend to read it, click to look at its step; in a focused map the arrow keys and Enter do so.
      A click on a row shows all that is measured.
    </output>
  );
}
