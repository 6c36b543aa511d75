/** One small drawing of curves, with its name, which opens it large. */

import { type ValueAxis } from "../../drawing/value_axis";
import { type ShownRun } from "../../state/catalogue";
import { choose } from "../../state/choices";
import { columns, nameAmongOthers } from "../../state/columns";
import { runColour } from "../../state/names";
import { pointAt, pointed } from "../../state/pointing";
import { nonFiniteText } from "../heatmap/wording";
import { useTakeable } from "../../take_away/takeable";
import { TimeTicks, ValueTicks } from "./axes";
import { CurveCanvas, planeOf, type Size, wholeRange } from "./curve_canvas";
import { xOf, type Plane } from "../../drawing/curves";
import { pointAtPlace } from "./pointing";
import { takeableCurves } from "./taking";
import { absenceOf, axisOf, curvePanel, type CurvePanel, nonFiniteOf } from "./scene";

/** The id of the button that opens a panel: where the focus goes back to. */
export function openerId(run: string, item: number): string {
  return `open-${item}-${encodeURIComponent(run)}`;
}

function open({ run, item }: CurvePanel): void {
  pointAt(null);
  choose({ open: [run.key, item], zoom: null });
}

/** With several runs a dot says which one, for their names are out of sight between the lines. */
function Title({ panel }: { panel: CurvePanel }) {
  const badge = nonFiniteText(nonFiniteOf(panel.lines));
  const name = nameAmongOthers(panel.run, panel.lines.at(0)?.array ?? null);
  return (
    <div class="curve-title">
      {columns.value.length < 2 ? null : (
        <span class="dot" style={{ background: runColour(panel.run.position) }} aria-hidden="true" />
      )}
      {panel.lines.length === 0 ? (
        <span class="quiet">{panel.title}</span>
      ) : (
        <button
          type="button"
          id={openerId(panel.run.key, panel.item)}
          aria-label={`${panel.title}, ${name}: open large`}
          title={`Open ${panel.title} of ${name} large`}
          onClick={() => {
            open(panel);
          }}
        >
          {panel.title}
        </button>
      )}
      {badge === "" ? null : (
        <span class="badge" title="Values of these curves that are not finite numbers: gaps in the lines">
          {badge}
        </span>
      )}
    </div>
  );
}

/** The timestep that is pointed at, in every panel. Only this is drawn anew when the pointer moves. */
export function TimeCursor({ plane, panelKey }: { plane: Plane; panelKey: string }) {
  const cell = pointed.value;
  if (cell === null || cell.row < plane.first || cell.row > plane.last) return null;
  const ratio = window.devicePixelRatio;
  return (
    <i
      class={cell.key === panelKey ? "time-cursor here" : "time-cursor"}
      style={{ left: `${xOf(plane, cell.row) / ratio}px`, height: `${plane.height / ratio}px` }}
      aria-hidden="true"
    />
  );
}

function Curves({ panel, axis, size }: { panel: CurvePanel; axis: ValueAxis; size: Size }) {
  const plane = planeOf(axis, wholeRange(panel), size);
  return (
    <>
      <CurveCanvas
        class="curves"
        panel={panel}
        plane={plane}
        size={size}
        lineWidth={1.25}
        title={`Click to open ${panel.title} large`}
        onClick={() => {
          open(panel);
        }}
        onPointerMove={(event) => {
          const ratio = window.devicePixelRatio;
          pointAtPlace(panel, plane, event.offsetX * ratio, event.offsetY * ratio);
        }}
        onPointerLeave={() => {
          pointAt(null);
        }}
      />
      <TimeCursor plane={plane} panelKey={panel.key} />
    </>
  );
}

/** Why a panel has no curves. */
function Nothing({ panel, size }: { panel: CurvePanel; size: Size }) {
  return (
    <div class="curve-nothing" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
      {absenceOf(panel)}
    </div>
  );
}

interface PanelProps {
  run: ShownRun;
  item: number;
  left: number;
  size: Size;
  withTicks: boolean;
}

export function SmallPanel({ run, item, left, size, withTicks }: PanelProps) {
  const panel = curvePanel(run, item);
  const axis = axisOf(panel);
  const last = wholeRange(panel)[1];
  const place = useTakeable<HTMLElement>(() => takeableCurves(panel));
  return (
    <figure
      class="curve-panel"
      ref={panel.lines.length === 0 ? null : place}
      style={{ left: `${left}px`, width: `${size.width}px` }}
    >
      <Title panel={panel} />
      <div class="curve-plot">
        {panel.lines.length === 0 ? (
          <Nothing panel={panel} size={size} />
        ) : (
          <>
            {withTicks ? <ValueTicks axis={axis} height={size.height} /> : null}
            <Curves panel={panel} axis={axis} size={size} />
          </>
        )}
      </div>
      {panel.lines.length === 0 ? null : <TimeTicks first={0} last={last} width={size.width} />}
    </figure>
  );
}
