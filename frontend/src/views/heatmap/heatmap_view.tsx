/** A grid of drawings: columns are runs, rows are samples or matrices. */

import { useLayoutEffect } from "preact/hooks";
import { numberText } from "../../drawing/number_text";
import { isBidirectional, quantity, shownRuns } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { items, map, panels, scaleKind, sharedScale } from "../../state/panels";
import { samples } from "../../state/series";
import { setPanelPixels } from "../../state/wanted";
import { AbsentRuns, Caption } from "../caption";
import { type Room, useRoom } from "../room";
import { ColourBar } from "./colour_bar";
import { Grid } from "./grid";
import { type GridLayout, layOut } from "./layout";
import { Readout } from "./readout";
import { scaleText } from "./scale_text";

const gutters = {
  left: 34,
  directions: 18,
  ownBar: 84,
  sharedBar: 96,
  title: 52,
  topAxis: 16,
  heading: 46,
  around: 84,
  letter: 7,
  headingRest: 90,
};

/** What stands beside a drawing within its column. */
function beside(): number {
  const { shared } = choices.value;
  return gutters.left + (isBidirectional.value ? gutters.directions : 0) + (shared ? 0 : gutters.ownBar);
}

function useLayout(room: Room): GridLayout {
  // A bias is a line or two high.
  const tall = items.value.filter((item) => !item.endsWith("/bias")).length;
  const rows = quantity.value?.kind === "matrices" ? Math.max(2, tall) : samples.value.length;
  const { shared, reflect } = choices.value;
  const layout = layOut({ width: room.width, height: room.height - gutters.around }, shownRuns.value.length, rows, {
    beside: beside(),
    above: gutters.title + (isBidirectional.value && reflect ? gutters.topAxis : 0),
    bar: shared ? gutters.sharedBar : 0,
    heading: gutters.heading,
    line: gutters.headingRest + gutters.letter * Math.max(0, ...shownRuns.value.map(({ run }) => run.length)),
  });
  useLayoutEffect(() => {
    const ratio = window.devicePixelRatio;
    if (room.width === 0) return;
    setPanelPixels({ width: Math.floor(layout.width * ratio), height: Math.floor(layout.height * ratio) });
  }, [layout.width, layout.height, room.width]);
  return layout;
}

function HeatmapCaption() {
  const { decades, shared, absolute } = choices.value;
  const scale = scaleKind.value;
  const what =
    quantity.value?.kind === "matrices"
      ? "Inputs (down) by gates and units (right)."
      : "Channels (down) by timesteps (right).";
  const { limit, low, high } = sharedScale.value;
  const words = scaleText(scale, decades, absolute);
  const isRange = scale === "linear" && !map.value.diverging;
  const reach = isRange
    ? ` from ${numberText(low, 3)} to ${numberText(high, 3)}`
    : `, largest magnitude ${numberText(limit, 3)}`;
  const how = shared
    ? `One scale for all panels: ${words}${limit > 0 ? reach : ""}.`
    : `Each panel has a scale of its own: ${words}.`;
  return (
    <Caption>
      {what} {how}
    </Caption>
  );
}

/** What the colours outside the map mean; only where there is something of that colour. */
export function SpecialLegend() {
  const arrays = panels.value.flatMap(({ array }) => array ?? []);
  const { nan, positiveInfinity, negativeInfinity } = map.value.special;
  const hasInf = arrays.some(({ inf }) => inf > 0);
  const entries = [
    ...(arrays.some((array) => array.nan > 0) ? [["NaN", nan]] : []),
    ...(hasInf ? [["+Inf", positiveInfinity]] : []),
    ...(hasInf ? [["\u2212Inf", negativeInfinity]] : []),
  ];
  return entries.length === 0 ? null : (
    <ul class="special-legend">
      {entries.map(([name, colour]) => (
        <li key={name}>
          <i style={{ background: colour }} />
          {name}
        </li>
      ))}
    </ul>
  );
}

export function HeatmapView() {
  const { place, room } = useRoom();
  const layout = useLayout(room);
  const height = Math.max(180, Math.min(320, layout.height));
  return (
    <div class="view heatmap-view" ref={place}>
      <HeatmapCaption />
      <AbsentRuns />
      <div class="grid-and-bar">
        <Grid layout={layout} columnWidth={layout.width + beside()} />
        <div class="beside-grid">
          {choices.value.shared && panels.value.some(({ array }) => array !== null) ? (
            <ColourBar colouring={{ scale: sharedScale.value, map: map.value }} height={height} />
          ) : null}
          <SpecialLegend />
        </div>
      </div>
      <Readout />
    </div>
  );
}
