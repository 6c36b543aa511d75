/** A row for each layer of each run, worst first: every measure with its trend, its latest value and its verdict. */

import { Fragment } from "preact";
import { numberText } from "../../drawing/number_text";
import { layerName } from "../../state/catalogue";
import { choices, choose } from "../../state/choices";
import { health, isHealthBehind } from "../../state/health";
import { runColour } from "../../state/names";
import { problem } from "../../state/problems";
import { chooseLayer } from "../../state/region";
import { useTakeable } from "../../take_away/takeable";
import { healthNumbers } from "./health_numbers";
import {
  type HealthRow,
  type HealthTable as Table,
  isOpen,
  lossColumn,
  table,
  type TableColumn,
  trendOf,
} from "./health_rows";
import { MeasureValue, positionOf } from "./measure_value";
import { detailId, RowDetail } from "./row_detail";
import { isTextSelected } from "./selection";
import { gravity, SeverityMark } from "./severity";
import { type Room } from "../room";
import { Chevron } from "./chevron";
import { TrendLine } from "./trend";

/** As many as leave the maps below them in sight, within what is worth a table and what is read at one look. */
const rowsRange = { least: 6, most: 12 };
const rowHeight = 26;
const shareOfRoom = 0.28;

function rowsAtFirst(room: Room): number {
  const fitting = Math.floor((shareOfRoom * room.height) / rowHeight);
  return Math.max(rowsRange.least, Math.min(rowsRange.most, fitting));
}

/** A long name may go on in the next line behind each of its parts. */
function breakable(name: string) {
  const parts = name.split(/(?<=[_/.-])/);
  return parts.map((part, i) => (
    <Fragment key={i}>
      {i === 0 ? null : <wbr />}
      {part}
    </Fragment>
  ));
}

function Absent({ row, column }: { row: HealthRow; column: TableColumn }) {
  const noLoss = "no scalar of this run is named loss";
  const found = row.layer.absent.find(({ measure }) => measure === column.measure)?.reason;
  const reason = found ?? (column.measure === lossColumn ? noLoss : "not recorded");
  return (
    <td class="absent-cell" title={reason}>
      <span aria-hidden="true">{"\u2013"}</span>
      <span class="unseen">{reason}</span>
    </td>
  );
}

function Cell({ row, column, of }: { row: HealthRow; column: TableColumn; of: Table }) {
  const trend = trendOf(row, column);
  if (trend === null) return <Absent row={row} column={column} />;
  const { measure, latest } = trend;
  return (
    <td data-measure={column.measure} data-severity={measure?.severity ?? ""} data-latest={latest ?? ""}>
      <div class="cell">
        <TrendLine
          row={row}
          name={column.measure}
          measure={column.measure}
          title={trend.title}
          points={trend.points}
          axis={of.axes.get(column.measure)}
          ends={of}
          position={positionOf(row)}
        />
        {measure === null ? (
          <span class="cell-value" title={trend.title}>
            {latest === null ? "not finite" : numberText(latest, 2)}
          </span>
        ) : (
          <MeasureValue measure={measure} row={row} />
        )}
      </div>
    </td>
  );
}

function toggle(row: HealthRow): void {
  const { layer } = row.layer;
  if (isOpen(row)) choose({ row: null });
  else chooseLayer(layer, { row: [row.run.run, layer] });
}

/** What is clicked beside the row's own controls and trends is the row. */
function onRowClick({ target }: MouseEvent, row: HealthRow): void {
  if (isTextSelected()) return;
  if (target instanceof Element && target.closest("button, svg.trend") === null) toggle(row);
}

function Row({ row, of }: { row: HealthRow; of: Table }) {
  const { layer } = row.layer;
  const isChosen = layer === layerName.value;
  const open = isOpen(row);
  return (
    <tr
      class={`row${isChosen ? " chosen" : ""}${open ? " open" : ""}`}
      data-run={row.run.run}
      data-layer={layer}
      data-severity={row.layer.severity}
      onClick={(event) => {
        onRowClick(event, row);
      }}
    >
      <th scope="row">
        <div class="row-name">
          {gravity(row.layer.severity) > 0 ? <SeverityMark severity={row.layer.severity} /> : <span class="severity" />}
          <span class="dot" style={{ background: runColour(positionOf(row)) }} />
          <button
            type="button"
            class="row-link"
            aria-expanded={open}
            aria-controls={open ? detailId : undefined}
            title={`${row.run.run} / ${layer}: ${open ? "close" : "show all measures, and the gradient flow of this layer"}`}
            onClick={() => {
              toggle(row);
            }}
          >
            <Chevron />
            <bdi>{breakable(row.run.run)}</bdi> <span class="quiet">/ {breakable(layer)}</span>
          </button>
        </div>
      </th>
      {of.columns.map((column) => (
        <Cell key={column.measure} row={row} column={column} of={of} />
      ))}
    </tr>
  );
}

function More({ all, fewer }: { all: number; fewer: number }) {
  const isAll = choices.value.rows === "all";
  const rest = all - fewer;
  if (rest <= 0) return null;
  return (
    <button
      type="button"
      class="link more"
      title="How much of the rows is listed; the worst come first"
      data-not-taken=""
      aria-expanded={isAll}
      onClick={() => {
        choose({ rows: isAll ? "first" : "all" });
      }}
    >
      {isAll ? `Show ${fewer} rows only` : `Show ${rest} more ${rest === 1 ? "row" : "rows"}`}
    </button>
  );
}

/** Whether there is more to come than is shown; the place for it is kept, so that nothing moves. */
function Behind() {
  const { runs = [] } = health.value ?? {};
  const steps = runs.map(({ layers }) => layers.reduce((last, layer) => Math.max(last, layer.last_step), 0));
  const common = new Set(steps).size === 1 ? `as of step ${steps[0]}; ` : "";
  const isSaid = isHealthBehind.value && problem.value === null;
  return (
    <span class="quiet" role="status" data-not-taken="">
      {isSaid ? `${common}newer steps are on their way` : ""}
    </span>
  );
}

export function HealthTable({ room }: { room: Room }) {
  const of = table.value;
  const place = useTakeable<HTMLElement>(() => ({
    name: "table of health",
    title: "Health of every layer",
    fileParts: ["health"],
    numbers: () => Promise.resolve(healthNumbers(of)),
  }));
  if (of === null || of.columns.length === 0) return null;
  const first = rowsAtFirst(room);
  const isAll = choices.value.rows === "all";
  // An open row stays, wherever it stands.
  const fewer = of.rows.filter((row, i) => i < first || isOpen(row));
  const rows = isAll ? of.rows : fewer;
  return (
    <section class="health" aria-labelledby="health-heading" ref={place}>
      <h2 id="health-heading" class="unseen">
        Health
      </h2>
      <div class="health-scroll" tabIndex={0} role="region" aria-label="Health of every layer, worst first">
        <table>
          <thead>
            <tr>
              <th scope="col">run / layer</th>
              {of.columns.map(({ measure, title, meaning }) => (
                <th key={measure} scope="col" title={meaning}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Fragment key={row.key}>
                <Row row={row} of={of} />
                {isOpen(row) ? <RowDetail row={row} of={of} /> : null}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
      <div class="health-foot">
        <More all={of.rows.length} fewer={fewer.length} />
        <Behind />
      </div>
    </section>
  );
}
