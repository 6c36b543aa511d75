/** The gradient-flow maps of all runs, side by side, under one colour scale. */

import { useLayoutEffect } from "preact/hooks";
import { percentText } from "../../drawing/number_text";
import { layerName, quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { health } from "../../state/health";
import { areProfilesThere, type ProfilesOfRun, shownProfiles } from "../../state/profiles";
import { problem } from "../../state/problems";
import { Caption } from "../caption";
import { ColourLegend, type LegendEntry } from "../colour_legend";
import { ColourBar } from "../heatmap/colour_bar";
import { type Room } from "../room";
import { RunName } from "../run_heading";
import { AbsentMaps, NotThroughTime } from "./flow_absence";
import { type FlowLayout, gutter, layOut } from "./flow_layout";
import { useHeight } from "./height";
import { FlowMap } from "./flow_map";
import { colouring, directions, directPath, type Flow, flows, horizonOf, isTitled, mapPixels } from "./flow_scene";
import { statisticTexts } from "./flow_words";

const symbols: Partial<Record<string, string>> = {
  bptt_gradient: "\u2016dL/dh\u2016",
  cell_state_gradient: "\u2016dL/dc\u2016",
  output_gradient: "\u2016\u2202L/\u2202y\u2016",
  input_gradient: "\u2016dL/dx\u2016",
  reach: "\u2016\u2202h_T/\u2202h_t\u2016",
};

function useLayout(room: Room, viewHeight: number, runs: number): FlowLayout {
  const { width, height, across } = layOut(room, viewHeight, runs, directions.value, isTitled.value);
  useLayoutEffect(() => {
    const ratio = window.devicePixelRatio;
    if (room.width > 0) mapPixels.value = { width: Math.floor(width * ratio), height: Math.floor(height * ratio) };
  }, [width, height, room.width]);
  return { width, height, across };
}

function FlowCaption() {
  const name = quantity.value?.quantity ?? "";
  const share = health.value?.thresholds.find((one) => one.name === "horizon_share")?.value;
  const hasHorizon = flows.value.some((flow) => horizonOf(flow).length > 0);
  const isDirect = name === directPath ? ", the direct path alone," : "";
  return (
    <Caption loading={!areProfilesThere.value && problem.value === null}>
      {symbols[name] ?? name}
      {isDirect} at each timestep (down: back in time) against training step (right),{" "}
      {statisticTexts[choices.value.statistic]} over samples.{" "}
      {hasHorizon && share !== undefined
        ? `The line is the horizon: below it the norm falls under ${percentText(share)} of its largest.`
        : ""}
    </Caption>
  );
}

/** What the colours outside the map mean, where there is something of that colour. */
function Legend() {
  const { nan, positiveInfinity } = colouring.value.map.special;
  const norms = flows.value.map(({ picture }) => picture);
  const hasNan = norms.some(({ cells }) => cells.some(Number.isNaN));
  const hasInf = norms.some(({ cells }) => cells.includes(Infinity));
  const entries: LegendEntry[] = [
    ...(hasNan ? [["NaN", nan] as const] : []),
    ...(hasInf ? [["Inf", positiveInfinity] as const] : []),
  ];
  return <ColourLegend entries={entries} />;
}

function FlowsOfRun({ of, own, size }: { of: ProfilesOfRun; own: Flow[]; size: FlowLayout }) {
  return (
    <section class="flow-run">
      <div class="run-heading">
        <RunName run={of.run} />
      </div>
      {own.map((flow) => (
        <FlowMap key={flow.key} flow={flow} size={size} />
      ))}
    </section>
  );
}

interface FlowSectionProps {
  /** Of the view. */
  room: Room;
  /** Of what stands above. */
  above: number;
}

export function FlowSection({ room, above }: FlowSectionProps) {
  const there = shownProfiles.value.filter(({ profiles }) => profiles.length > 0);
  const head = useHeight();
  const left = { width: room.width, height: room.height - above - head.height };
  const size = useLayout(left, room.height, there.length);
  const layer = layerName.value;
  if (layer === null) return null;
  const bar = Math.min(260, size.height * directions.value);
  return (
    <section class="flow-section" aria-labelledby="flow-heading">
      <div class="flow-head" ref={head.place}>
        <h2 id="flow-heading">
          Gradient flow in <bdi>{layer}</bdi>
        </h2>
        {there.length === 0 ? null : <FlowCaption />}
        <NotThroughTime layer={layer} />
      </div>
      {there.length === 0 ? null : (
        <div class="grid-and-bar">
          <div
            class={isTitled.value ? "flow-grid titled" : "flow-grid"}
            style={{ gridTemplateColumns: `repeat(${size.across}, ${size.width + gutter}px)` }}
          >
            {there.map((of) => (
              <FlowsOfRun
                key={of.run.key}
                of={of}
                own={flows.value.filter(({ run }) => run.run === of.run.run)}
                size={size}
              />
            ))}
          </div>
          <div class="beside-grid">
            <ColourBar colouring={colouring.value} height={bar} />
            <Legend />
          </div>
        </div>
      )}
      <AbsentMaps layer={layer} />
    </section>
  );
}
