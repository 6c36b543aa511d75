/** A row for each layer of each run, worst first: every measure with its trend, its latest value and its verdict. */

import { Fragment } from "preact";
import { numberText } from "../../drawing/number_text";
import { layerName, runs } from "../../state/catalogue";
import { choices, choose } from "../../state/choices";
import { findingAt, type Measure } from "../../state/health";
import { runColour } from "../../state/names";
import { useTakeable } from "../../take_away/takeable";
import { healthNumbers } from "./health_numbers";
import { type HealthRow, type HealthTable as Table, lossColumn, table, type TableColumn, trendOf } from "./health_rows";
import { goTo } from "./place";
import { gravity, SeverityMark } from "./severity";
import { TrendLine } from "./trend";

const rowsAtFirst = 12;

function positionOf({ run }: HealthRow): number {
  return runs.value.find((candidate) => candidate.run === run.run)?.position ?? 0;
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

/** Where a measure is of one direction, gate or matrix: which. */
function partText({ direction, matrix, gate }: Measure, { layer }: HealthRow): string {
  const parts = [
    layer.directions.length > 1 ? direction : "",
    matrix.replaceAll("_", " "),
    gate === "" ? "" : `${gate} gate`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** "6 of 79" with its second half in quiet. */
function Value({ text }: { text: string }) {
  const [value, ...rest] = text.split(" of ");
  return (
    <>
      <span class="value">{value}</span>
      {rest.length === 0 ? null : <span class="quiet"> of {rest.join(" of ")}</span>}
    </>
  );
}

/** What is not to be had is said, but is no number to look at. */
function valueClass({ latest, severity }: Measure): string {
  return latest === null && gravity(severity) === 0 ? "cell-value quiet" : "cell-value";
}

function MeasureValue({ measure, row }: { measure: Measure; row: HealthRow }) {
  const { severity, text, title } = measure;
  const finding = findingAt(measure.finding);
  const part = partText(measure, row);
  const where = part === "" ? title : `${title}, ${part}`;
  if (finding === null) {
    return (
      <span class={valueClass(measure)} title={where}>
        {gravity(severity) > 0 ? <SeverityMark severity={severity} /> : null}
        <Value text={text} />
      </span>
    );
  }
  return (
    <button
      type="button"
      class={`cell-value inline-link ${severity}`}
      title={`${where}: ${finding.sentence} Show where.`}
      onClick={() => {
        goTo(finding.link);
      }}
    >
      <SeverityMark severity={severity} />
      <Value text={text} />
    </button>
  );
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
        <TrendLine row={row} column={column} trend={trend} of={of} position={positionOf(row)} />
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

function Row({ row, of }: { row: HealthRow; of: Table }) {
  const { layer } = row.layer;
  const isChosen = layer === layerName.value;
  return (
    <tr class={isChosen ? "chosen" : ""} data-run={row.run.run} data-layer={layer} data-severity={row.layer.severity}>
      <th scope="row">
        <div class="row-name">
          {gravity(row.layer.severity) > 0 ? <SeverityMark severity={row.layer.severity} /> : <span class="severity" />}
          <span class="dot" style={{ background: runColour(positionOf(row)) }} />
          <button
            type="button"
            class="row-link"
            aria-pressed={isChosen}
            title={`${row.run.run} / ${layer}: show the gradient flow of this layer`}
            onClick={() => {
              choose({ layer });
            }}
          >
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

function More({ rest }: { rest: number }) {
  const isAll = choices.value.rows === "all";
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
      {isAll ? `Show the first ${rowsAtFirst} rows only` : `Show ${rest} more ${rest === 1 ? "row" : "rows"}`}
    </button>
  );
}

export function HealthTable() {
  const of = table.value;
  const place = useTakeable<HTMLElement>(() => ({
    name: "table of health",
    title: "Health of every layer",
    fileParts: ["health"],
    numbers: () => Promise.resolve(healthNumbers(of)),
  }));
  if (of === null || of.columns.length === 0) return null;
  const rows = choices.value.rows === "all" ? of.rows : of.rows.slice(0, rowsAtFirst);
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
              <Row key={row.key} row={row} of={of} />
            ))}
          </tbody>
        </table>
      </div>
      <More rest={of.rows.length - rowsAtFirst} />
    </section>
  );
}
