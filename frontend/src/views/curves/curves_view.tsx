/** Values over timesteps as lines: a panel for each channel with the samples overlaid, or for each sample. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { numberText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { columns } from "../../state/columns";
import { quantityPhrase } from "../../state/names";
import { isLoading, panels, scaleKind, scaleOver } from "../../state/panels";
import { pointAt } from "../../state/pointing";
import { samples } from "../../state/series";
import { setPanelPixels } from "../../state/wanted";
import { AbsentRuns, Caption } from "../caption";
import { scaleText } from "../heatmap/scale_text";
import { type Room, useRoom } from "../room";
import { ViewLink } from "../view_link";
import { CurveGrid } from "./curve_grid";
import { LargeChart } from "./large_chart";
import { CurveReadout } from "./readout";
import { channelCount, curvePanel, type CurvePanel, foundChannels, panelItems } from "./scene";

/** Curves are thinned where they are drawn, and each channel is its own: the server need not pool them. */
const unpooled = { width: 8192, height: 8192 };

/** The view's own padding, left and right. */
const padding = 44;
const above = 84;

/** The panel that is opened, if there is one of that name. */
function openPanel(): CurvePanel | null {
  const { open } = choices.value;
  const run = columns.value.find(({ key }) => key === open?.[0]);
  if (open === null || run === undefined) return null;
  const panel = curvePanel(run, open[1]);
  return panel.lines.length === 0 ? null : panel;
}

const sharing = {
  all: "One y axis for all",
  row: "One y axis for each row",
  column: "One y axis for each run",
  none: "Each panel has a y axis of its own",
};

function CurvesCaption() {
  const { panels: kind, axes, decades } = choices.value;
  const what =
    kind === "channel"
      ? "A panel for each channel by timesteps (right), the samples overlaid, each a shade stronger than the last."
      : "A panel for each sample by timesteps (right), the channels overlaid, each a shade stronger than the last.";
  const { limit } = scaleOver(
    panels.value.flatMap(({ array }) => array ?? []),
    scaleKind.value,
    decades,
  );
  const reach = limit > 0 ? `, largest magnitude ${numberText(limit, 3)}` : "";
  return (
    <Caption>
      {what} {sharing[axes]}: {scaleText(scaleKind.value, decades)}
      {reach}.
    </Caption>
  );
}

/** Said where each curve would be a point. */
function SingleTimestep() {
  const arrays = panels.value.flatMap(({ array }) => array ?? []);
  if (arrays.length === 0 || arrays.some(({ full_shape }) => full_shape[0] > 1)) return null;
  return (
    <p class="caption">
      There is one timestep only, so each curve is a point: <ViewLink view="scatter">Scatter</ViewLink> shows all
      channels at once.
    </p>
  );
}

/** Why there is not one panel. */
function emptiness(): string | null {
  if (samples.value.length === 0) return "No sample is chosen. Pick one in the list on the left.";
  if (channelCount.value === 0) return isLoading.value ? "Loading\u2026" : (panels.value.at(0)?.missing ?? null);
  return foundChannels.value.channels.length === 0
    ? `No channel is found. ${foundChannels.value.complaint}`
    : panelItems.value.length === 0
      ? "There is nothing to draw."
      : null;
}

function Matrices() {
  return (
    <p>
      Curves run over timesteps, and {quantityPhrase(quantity.value?.quantity ?? "")} have none.{" "}
      <ViewLink view="heatmap">Heatmap</ViewLink> draws them.
    </p>
  );
}

function Body({ view, room }: { view: { current: HTMLDivElement | null }; room: Room }) {
  const opened = openPanel();
  const closed = useRef<readonly [string, number] | null>(null);
  useEffect(() => {
    closed.current = opened === null ? null : [opened.run.key, opened.item];
  });
  const nothing = emptiness();
  if (nothing !== null) return <p class="quiet">{nothing}</p>;
  if (room.width === 0) return null;
  const inner = { width: room.width - padding, height: room.height - above };
  return opened === null ? (
    <CurveGrid view={view} room={inner} closed={closed.current} />
  ) : (
    <LargeChart panel={opened} room={inner} />
  );
}

export function CurvesView() {
  const { place, room } = useRoom();
  useLayoutEffect(() => {
    setPanelPixels(unpooled);
    return () => {
      pointAt(null);
    };
  }, []);
  const isMatrices = quantity.value?.kind === "matrices";
  return (
    <div class="view curves-view" ref={place}>
      {isMatrices ? (
        <Matrices />
      ) : (
        <>
          <CurvesCaption />
          <AbsentRuns />
          <SingleTimestep />
          <Body view={place} room={room} />
          <CurveReadout />
        </>
      )}
    </div>
  );
}
