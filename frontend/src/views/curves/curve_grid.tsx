/** The small panels. Of hundreds only those in sight are there, and they are drawn once a frame at most. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { choices } from "../../state/choices";
import { columns } from "../../state/columns";
import { type Room } from "../room";
import { RunHeading, stepOf } from "../run_heading";
import { openerId, SmallPanel } from "./curve_panel";
import { type CurveLayout, layOutCurves, lineOf, linesInSight, placeAt } from "./layout";
import { Legend, legendFits } from "./legend";
import { curvePanel, panelItems } from "./scene";

interface Place {
  current: HTMLElement | null;
}

/** The lines in sight, no newer than the last frame. Scrolling within a line changes nothing. */
function useLinesInSight(
  view: Place,
  grid: Place,
  layout: CurveLayout,
  height: number,
): { first: number; last: number } {
  const [scrolled, setScrolled] = useState(0);
  useEffect(() => {
    const element = view.current;
    if (element === null) return;
    let frame = 0;
    const look = () => {
      frame = 0;
      const top = element.scrollTop - (grid.current?.offsetTop ?? 0);
      setScrolled(Math.floor(top / layout.lineHeight) * layout.lineHeight);
    };
    const soon = () => {
      if (frame === 0) frame = requestAnimationFrame(look);
    };
    look();
    element.addEventListener("scroll", soon, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", soon);
    };
  }, [layout.lineHeight]);
  return linesInSight(layout, scrolled, height + layout.lineHeight);
}

/** Above each run's columns its name. Where a legend has no room there, the caption says how the shades go. */
function Headings({ layout }: { layout: CurveLayout }) {
  const { perRun, runsAcross, lefts, width } = layout;
  const first = panelItems.value.at(0);
  return (
    <div class="curve-headings">
      {Array.from({ length: layout.linesPerGroup }, (_, line) => (
        <div key={line} class="curve-heading-line">
          {columns.value.slice(line * runsAcross, (line + 1) * runsAcross).map((run, i) => {
            const left = lefts[i * perRun];
            const room = lefts[(i + 1) * perRun - 1] + width - left;
            const lines = first === undefined ? [] : curvePanel(run, first).lines;
            return (
              <div key={run.key} style={{ left: `${left}px`, width: `${room}px` }}>
                <RunHeading run={run} step={stepOf(run)}>
                  {legendFits(lines.length, room) ? <Legend lines={lines} /> : null}
                </RunHeading>
              </div>
            );
          })}
        </div>
      ))}
    </div>
  );
}

/** Made once: while others come into sight, the lines that are there already stay as they are. */
function Line({ layout, line }: { layout: CurveLayout; line: number }) {
  const runs = columns.value;
  const items = panelItems.value;
  const { axes } = choices.value;
  return useMemo(() => {
    const size = { width: layout.width, height: layout.height };
    const panels = layout.lefts.map((left, column) => {
      const place = placeAt(layout, line, column);
      const run = runs.at(place.run);
      const item = items.at(place.item);
      if (run === undefined || item === undefined) return null;
      const withTicks = axes !== "all" || column === 0;
      return (
        <SmallPanel key={`${run.key} ${item}`} run={run} item={item} left={left} size={size} withTicks={withTicks} />
      );
    });
    return (
      <div class="curve-line" style={{ top: `${line * layout.lineHeight}px` }}>
        {panels}
      </div>
    );
  }, [layout, line, runs, items, axes]);
}

/** What a panel must have at least: few curves over many timesteps, or many curves over each other. */
const least = { channel: { narrowest: 140, lowest: 84 }, sample: { narrowest: 260, lowest: 170 } };

interface GridProps {
  view: Place;
  room: Room;
  /** The panel that was closed last: it is scrolled to, and its button has the focus. */
  closed: readonly [string, number] | null;
}

export function CurveGrid({ view, room, closed }: GridProps) {
  const grid = useRef<HTMLDivElement>(null);
  const { panels: kind, axes } = choices.value;
  const [runs, items] = [columns.value.length, panelItems.value.length];
  const layout = useMemo(
    () => layOutCurves(room, { runs, items, oneAxis: axes === "all", ...least[kind] }),
    [room.width, room.height, runs, items, axes, kind],
  );
  useLayoutEffect(() => {
    if (closed === null || view.current === null || grid.current === null) return;
    const line = lineOf(layout, Math.max(0, panelItems.peek().indexOf(closed[1])));
    const top = grid.current.offsetTop + line * layout.lineHeight;
    view.current.scrollTop = Math.max(0, top - room.height / 3);
  }, []);
  const wanted = useRef(closed);
  useEffect(() => {
    const opener = wanted.current === null ? null : document.getElementById(openerId(...wanted.current));
    if (opener === null) return;
    wanted.current = null;
    opener.focus({ preventScroll: true });
  });
  const { first, last } = useLinesInSight(view, grid, layout, room.height);
  return (
    <>
      <Headings layout={layout} />
      <div class="curve-lines" ref={grid} style={{ height: `${layout.lines * layout.lineHeight}px` }}>
        {Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (
          <Line key={first + i} layout={layout} line={first + i} />
        ))}
      </div>
    </>
  );
}
