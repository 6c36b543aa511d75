/** One panel over the whole room: drag to zoom into timesteps, arrow keys to read, Escape to go back. */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { type Plane, timestepAt } from "../../drawing/curves";
import { type FiniteSummary, summarise } from "../../drawing/summary";
import { type ValueAxis } from "../../drawing/value_axis";
import { choices, choose } from "../../state/choices";
import { columnName, stepText } from "../../state/columns";
import { runColour } from "../../state/names";
import { pointAt, pointed } from "../../state/pointing";
import { nonFiniteText } from "../heatmap/wording";
import { useTakeable } from "../../take_away/takeable";
import { type Room } from "../room";
import { TimeTicks, ValueTicks } from "./axes";
import { CurveCanvas, Emphasis, planeOf, wholeRange } from "./curve_canvas";
import { TimeCursor } from "./curve_panel";
import { curveTable } from "./curve_table";
import { Legend } from "./legend";
import { pointAtPlace, pointedLine } from "./pointing";
import { axisOf, axisOver, type CurvePanel, type Line, nonFiniteOf, panelItems } from "./scene";
import { takeableCurves } from "./taking";

type Range = readonly [first: number, last: number];

export function close(): void {
  pointAt(null);
  choose({ open: null, zoom: null });
}

/** The timesteps in sight: those zoomed to, as far as there are any. */
function rangeInSight(panel: CurvePanel): Range {
  const whole = wholeRange(panel);
  const { zoom } = choices.value;
  if (zoom === null) return whole;
  const last = Math.min(zoom[1], whole[1]);
  return zoom[0] < last ? [zoom[0], last] : whole;
}

function isWhole(panel: CurvePanel, range: Range): boolean {
  return range.join() === wholeRange(panel).join();
}

/** From its first to its last value in sight. */
function extentWithin({ array, column }: Line, [first, last]: Range): FiniteSummary {
  const { row_block: block } = array;
  return summarise(curveTable(array).curves[column].subarray(Math.floor(first / block), Math.floor(last / block) + 1));
}

/** Zoomed in, the axis fits what is in sight: otherwise small values would stay a flat line. */
function axisFor(panel: CurvePanel, range: Range): ValueAxis {
  return isWhole(panel, range) ? axisOf(panel) : axisOver(panel.lines.map((line) => extentWithin(line, range)));
}

function zoomTo(panel: CurvePanel, first: number, last: number): void {
  const whole = wholeRange(panel);
  const range: Range = [Math.max(0, Math.round(first)), Math.min(whole[1], Math.round(last))];
  if (range[1] > range[0]) choose({ zoom: isWhole(panel, range) ? null : range });
}

/** Half or twice as many timesteps, around the one that is pointed at. */
function zoomBy(panel: CurvePanel, range: Range, times: number): void {
  const around = pointed.value?.row ?? (range[0] + range[1]) / 2;
  zoomTo(panel, around - (around - range[0]) * times, around + (range[1] - around) * times);
}

function movePoint(panel: CurvePanel, range: Range, along: number, across: number): void {
  const cell = pointed.value?.key === panel.key ? pointed.value : null;
  const lines = panel.lines.length;
  pointAt({
    key: panel.key,
    row: cell === null ? range[0] : Math.max(range[0], Math.min(range[1], cell.row + along)),
    column: cell === null ? 0 : (cell.column + across + lines) % lines,
  });
}

/** Arrow keys move along and between the curves here; elsewhere they move the step. */
function onKey(event: KeyboardEvent, panel: CurvePanel, range: Range): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const does: Partial<Record<string, () => void>> = {
    ArrowLeft: () => {
      movePoint(panel, range, -1, 0);
    },
    ArrowRight: () => {
      movePoint(panel, range, 1, 0);
    },
    ArrowUp: () => {
      movePoint(panel, range, 0, -1);
    },
    ArrowDown: () => {
      movePoint(panel, range, 0, 1);
    },
    "+": () => {
      zoomBy(panel, range, 0.5);
    },
    "-": () => {
      zoomBy(panel, range, 2);
    },
    "0": () => {
      choose({ zoom: null });
    },
  };
  const act = does[event.key];
  if (act === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

/** Escape goes back from wherever the focus is. */
function useEscape(): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) close();
    };
    document.addEventListener("keydown", listen);
    return () => {
      document.removeEventListener("keydown", listen);
    };
  }, []);
}

/** The neighbouring panel of the same run. */
function step(panel: CurvePanel, by: 1 | -1): (() => void) | null {
  const items = panelItems.value;
  const next = items.at(items.indexOf(panel.item) + by);
  if (next === undefined || items.indexOf(panel.item) + by < 0) return null;
  return () => {
    pointAt(null);
    choose({ open: [panel.run.key, next] });
  };
}

function Head({ panel, zoomed }: { panel: CurvePanel; zoomed: boolean }) {
  const badge = nonFiniteText(nonFiniteOf(panel.lines));
  const kind = choices.value.panels;
  const [previous, next] = [step(panel, -1), step(panel, 1)];
  return (
    <div class="large-head">
      <span class="dot" style={{ background: runColour(panel.run.position) }} />
      <h2>
        <bdi>{columnName(panel.run)}</bdi>, {panel.title}
      </h2>
      <span class="quiet">{stepText(panel.lines[0].array)}</span>
      {badge === "" ? null : <span class="badge">{badge}</span>}
      <Legend lines={panel.lines} />
      <div class="large-buttons">
        {zoomed ? (
          <button
            type="button"
            title="Show all timesteps again (0)"
            onClick={() => {
              choose({ zoom: null });
            }}
          >
            All timesteps
          </button>
        ) : null}
        <button
          type="button"
          title={`The ${kind} before this one, large`}
          disabled={previous === null}
          onClick={previous ?? undefined}
        >
          Previous {kind}
        </button>
        <button
          type="button"
          title={`The ${kind} after this one, large`}
          disabled={next === null}
          onClick={next ?? undefined}
        >
          Next {kind}
        </button>
        <button type="button" title="Back to all panels (Escape)" onClick={close}>
          Close
        </button>
      </div>
    </div>
  );
}

/** Shorter is a click. In CSS pixels. */
const shortestDrag = 4;

/** From where to where the pointer was dragged, while it is. */
function useDrag(panel: CurvePanel, plane: Plane) {
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const ratio = window.devicePixelRatio;
  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || !(event.currentTarget instanceof Element)) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDrag({ from: event.offsetX, to: event.offsetX });
    },
    onPointerMove: (event: PointerEvent) => {
      if (drag !== null) setDrag({ from: drag.from, to: event.offsetX });
      pointAtPlace(panel, plane, event.offsetX * ratio, event.offsetY * ratio);
    },
    onPointerUp: () => {
      setDrag(null);
      if (drag === null || Math.abs(drag.to - drag.from) < shortestDrag) return;
      const ends = [drag.from, drag.to].map((x) => timestepAt(plane, x * ratio)).sort((a, b) => a - b);
      zoomTo(panel, ends[0], ends[1]);
    },
    onPointerCancel: () => {
      setDrag(null);
    },
    onPointerLeave: () => {
      if (drag === null) pointAt(null);
    },
    onDblClick: () => {
      choose({ zoom: null });
    },
  };
  return { drag, handlers };
}

function Selection({ drag, width }: { drag: { from: number; to: number } | null; width: number }) {
  if (drag === null) return null;
  const [left, right] = [drag.from, drag.to].map((x) => Math.max(0, Math.min(width, x))).sort((a, b) => a - b);
  return <i class="drag-range" style={{ left: `${left}px`, width: `${right - left}px` }} aria-hidden />;
}

const around = { left: 64, right: 8, head: 44, below: 76 };

export function LargeChart({ panel, room }: { panel: CurvePanel; room: Room }) {
  const place = useTakeable<HTMLElement>(() => takeableCurves(panel));
  useEscape();
  useLayoutEffect(() => {
    place.current?.querySelector("canvas")?.focus({ preventScroll: true });
  }, []);
  const size = {
    width: Math.max(200, Math.floor(room.width - around.left - around.right)),
    height: Math.max(200, Math.floor(room.height - around.head - around.below)),
  };
  const range = rangeInSight(panel);
  const plane = planeOf(axisFor(panel, range), range, size);
  const { drag, handlers } = useDrag(panel, plane);
  const line = pointedLine(panel, pointed.value);
  return (
    <section class="large-chart" aria-label={`${columnName(panel.run)}, ${panel.title}, large`} ref={place}>
      <Head panel={panel} zoomed={!isWhole(panel, range)} />
      <div class="curve-plot large" style={{ marginLeft: `${around.left}px`, width: `${size.width}px` }}>
        <ValueTicks axis={plane.axis} height={size.height} />
        <CurveCanvas
          {...handlers}
          class="curves large"
          tabIndex={0}
          panel={panel}
          plane={plane}
          size={size}
          lineWidth={1.5}
          onKeyDown={(event) => {
            onKey(event, panel, range);
          }}
        />
        {line === undefined ? null : <Emphasis lines={[line]} plane={plane} size={size} lineWidth={3} />}
        <TimeCursor plane={plane} panelKey={panel.key} />
        <Selection drag={drag} width={size.width} />
        <TimeTicks first={range[0]} last={range[1]} width={size.width} />
      </div>
    </section>
  );
}
