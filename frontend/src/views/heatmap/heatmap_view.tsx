/** A grid of drawings: columns are runs, rows are samples or matrices; of one run alone, samples fill both. */

import { useLayoutEffect } from "preact/hooks";
import { isRange } from "../../drawing/colour_scale";
import { numberText } from "../../drawing/number_text";
import { isBidirectional, quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { areNormalised, isOneBar, map, sharedScale } from "../../state/colours";
import { areDifferences, columnName, columns } from "../../state/columns";
import { items, panels, scaleKind } from "../../state/panels";
import { samples } from "../../state/series";
import { setPanelPixels } from "../../state/wanted";
import { AbsentRuns, Caption } from "../caption";
import { ColourLegend, type LegendEntry } from "../colour_legend";
import { type Room, useRoom } from "../room";
import { haveChannelNorms } from "./channel_norm_strip";
import { ColourBar } from "./colour_bar";
import { Grid } from "./grid";
import { type GridLayout, layOut, layOutSamples } from "./layout";
import { Readout } from "./readout";
import { haveMarginals, stripRoom } from "./marginal_strip";
import { limitsText, scaleText } from "./scale_text";

const gutters = {
  left: 34,
  directions: 18,
  ownBar: 84,
  sharedBar: 96,
  title: 52,
  line: 16,
  heading: 46,
  around: 84,
  letter: 7,
  headingRest: 90,
};

/** What stands beside a drawing within its column. */
function beside(): number {
  const { across, reflect } = choices.value;
  // With time running down the directions' names stand below, and a reflected half's numbers to the right.
  const isDown = across === "channels" && quantity.value?.kind === "sequence";
  const names = !isBidirectional.value ? 0 : !isDown ? gutters.directions : reflect ? gutters.left : 0;
  const means = haveMarginals.value ? stripRoom : 0;
  return gutters.left + names + means + (isOneBar.value ? 0 : gutters.ownBar);
}

/** What stands above and below a drawing. */
function above(): number {
  const { across, reflect } = choices.value;
  const isDown = across === "channels" && quantity.value?.kind === "sequence";
  const line = isBidirectional.value && (isDown || reflect) ? gutters.line : 0;
  return gutters.title + line + (haveMarginals.value || haveChannelNorms.value ? stripRoom : 0);
}

function layOutIn(room: Room): GridLayout {
  const runs = columns.value.length;
  const areMatrices = quantity.value?.kind === "matrices";
  const needed = {
    beside: beside(),
    above: above(),
    bar: isOneBar.value ? gutters.sharedBar : 0,
    heading: gutters.heading,
    line: gutters.headingRest + gutters.letter * Math.max(0, ...columns.value.map((run) => columnName(run).length)),
  };
  if (runs === 1 && !areMatrices) return layOutSamples(room, samples.value.length, needed);
  // A bias is a line or two high.
  const tall = items.value.filter((item) => !item.endsWith("/bias")).length;
  return layOut(room, runs, areMatrices ? Math.max(2, tall) : samples.value.length, needed);
}

function useLayout(room: Room): GridLayout {
  const layout = layOutIn({ width: room.width, height: room.height - gutters.around });
  useLayoutEffect(() => {
    const ratio = window.devicePixelRatio;
    if (room.width === 0) return;
    setPanelPixels({ width: Math.floor(layout.width * ratio), height: Math.floor(layout.height * ratio) });
  }, [layout.width, layout.height, room.width]);
  return layout;
}

function axesText(): string {
  if (quantity.value?.kind === "matrices") return "Inputs (down) by gates and units (right).";
  const { across, sort } = choices.value;
  const channels = sort === "number" || areDifferences.value ? "Channels" : `Channels ${sortTexts[sort]}`;
  return across === "timesteps"
    ? `${channels} (down) by timesteps (right).`
    : `${channels} (right) by timesteps (down).`;
}

const sortTexts = {
  magnitude: "by magnitude",
  first_active: "by first active timestep",
  similarity: "by similarity",
};

/** How far the one scale of all panels reaches. */
function reachText(): string {
  const { limit, low, high } = sharedScale.value;
  if (!isOneBar.value || areNormalised.value || limit === 0) return "";
  return isRange(sharedScale.value, map.value)
    ? ` from ${numberText(low, 3)} to ${numberText(high, 3)}`
    : `, largest magnitude ${numberText(limit, 3)}`;
}

function HeatmapCaption() {
  const { decades, limits, absolute } = choices.value;
  const kind = areNormalised.value ? "linear" : scaleKind.value;
  return (
    <Caption>
      {axesText()} {limitsText(limits, "panel")}: {scaleText(kind, decades, absolute)}
      {reachText()}.
    </Caption>
  );
}

/** What the colours outside the map mean; only where there is something of that colour. */
export function SpecialLegend() {
  const arrays = panels.value.flatMap(({ array }) => array ?? []);
  const { nan, positiveInfinity, negativeInfinity } = map.value.special;
  const hasInf = arrays.some(({ inf }) => inf > 0);
  const entries: LegendEntry[] = [
    ...(arrays.some((array) => array.nan > 0) ? [["NaN", nan] as const] : []),
    ...(hasInf ? [["+Inf", positiveInfinity] as const] : []),
    ...(hasInf ? [["\u2212Inf", negativeInfinity] as const] : []),
  ];
  return <ColourLegend entries={entries} />;
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
          {isOneBar.value && panels.value.some(({ array }) => array !== null) ? (
            <ColourBar colouring={{ scale: sharedScale.value, map: map.value }} height={height} />
          ) : null}
          <SpecialLegend />
        </div>
      </div>
      <Readout />
    </div>
  );
}
