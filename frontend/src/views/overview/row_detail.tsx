/** Below a row of the table: everything that is measured of its layer, and what is not, with the reason. */

import { useLayoutEffect } from "preact/hooks";
import { health, type Health } from "../../state/health";
import { wishTimescales } from "../../state/timescales";
import { useTakeable } from "../../take_away/takeable";
import { type HealthRow, type HealthTable, pointedTrend, pointsOf } from "./health_rows";
import { absentKinds, groupsOf, type MeasureGroup, measureNumbers, type MeasurePart } from "./measure_groups";
import { MeasureValue, positionOf } from "./measure_value";
import { plots, pointedUnit } from "./timescale_scene";
import { TimescaleSection } from "./timescale_section";
import { TrendLine } from "./trend";

export const detailId = "row-detail";

interface PartProps {
  row: HealthRow;
  group: MeasureGroup;
  part: MeasurePart;
  ends: HealthTable;
}

function Part({ row, group, part, ends }: PartProps) {
  const { label, measure } = part;
  const title = label === "" ? measure.title : `${measure.title}, ${label}`;
  return (
    <li data-measure={measure.measure} data-latest={measure.latest ?? ""} data-part={label}>
      <span class="part-label quiet">{label}</span>
      <TrendLine
        row={row}
        name={part.key}
        measure={measure.measure}
        title={title}
        points={pointsOf(measure)}
        axis={group.axis}
        ends={ends}
        position={positionOf(row)}
      />
      <MeasureValue measure={measure} row={row} />
    </li>
  );
}

/** What the numbers count, where their text does not say it. */
const unitTexts: Partial<Record<string, string>> = { timesteps: "timesteps", units: "units", weights: "weights" };

function Group({ row, group, ends }: Omit<PartProps, "part">) {
  const { kind, common, parts } = group;
  const unit = unitTexts[kind.unit];
  return (
    <section class="measure-group" data-measure={kind.measure}>
      <h3 title={`${kind.meaning} When it misleads: ${kind.misleads}`}>
        {kind.title}
        {common === "" ? null : <span class="quiet">, {common}</span>}
        {unit === undefined || kind.title.includes(unit) ? null : <span class="quiet"> in {unit}</span>}
        <span class="unseen">
          . {kind.meaning} When it misleads: {kind.misleads}
        </span>
      </h3>
      <ul class={parts.some(({ label }) => label !== "") ? "parts labelled" : "parts"}>
        {parts.map((part) => (
          <Part key={part.key} row={row} group={group} part={part} ends={ends} />
        ))}
      </ul>
    </section>
  );
}

function Absent({ of, row }: { of: Health; row: HealthRow }) {
  const absent = absentKinds(of, row);
  if (absent.length === 0) return null;
  return (
    <ul class="absent-measures">
      {absent.map(({ titles, reason }) => (
        <li key={reason}>
          {titles.join(", ")}: {reason}
        </li>
      ))}
    </ul>
  );
}

function Measures({ of, row, ends }: { of: Health; row: HealthRow; ends: HealthTable }) {
  const name = `${row.run.run} / ${row.layer.layer}`;
  const place = useTakeable<HTMLDivElement>(() => ({
    name: `${name}: all measures`,
    title: `${name}: all measures`,
    fileParts: [row.run.run, row.layer.layer, "measures"],
    numbers: () => Promise.resolve(measureNumbers(row)),
  }));
  return (
    <div ref={place}>
      <div class="measure-groups">
        {groupsOf(of, row).map((group) => (
          <Group key={group.kind.measure} row={row} group={group} ends={ends} />
        ))}
      </div>
      <Absent of={of} row={row} />
    </div>
  );
}

export function RowDetail({ row, of: ends }: { row: HealthRow; of: HealthTable }) {
  const of = health.value;
  useLayoutEffect(() => {
    wishTimescales(true);
    return () => {
      wishTimescales(false);
      // What was pointed at in it is no longer there.
      pointedTrend.value = null;
      pointedUnit.value = null;
    };
  }, []);
  if (of === null) return null;
  // A drawing is seen at a glance, so it comes before the numbers; why there is none comes after them.
  const isDrawn = plots.value.length > 0;
  return (
    <tr class="detail">
      <td colSpan={ends.columns.length + 1}>
        <div
          id={detailId}
          class="row-detail"
          role="region"
          aria-label={`All measures of ${row.run.run} / ${row.layer.layer}`}
        >
          {isDrawn ? <TimescaleSection /> : null}
          <Measures of={of} row={row} ends={ends} />
          {isDrawn ? null : <TimescaleSection />}
        </div>
      </td>
    </tr>
  );
}
