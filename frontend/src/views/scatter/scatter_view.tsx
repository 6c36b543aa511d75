/** Values of a single timestep, as return_sequences=False gives them: a dot for each channel and sample. */

import { useLayoutEffect } from "preact/hooks";
import { quantity, shownRuns } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { quantityPhrase } from "../../state/names";
import { pointAt } from "../../state/pointing";
import { samples, shownSeries } from "../../state/series";
import { wishStatistics } from "../../state/statistics";
import { setPanelPixels } from "../../state/wanted";
import { AbsentRuns, Caption } from "../caption";
import { foundChannels } from "../curves/scene";
import { nonFiniteText } from "../heatmap/wording";
import { type Room, useRoom } from "../room";
import { RunHeading, stepOf } from "../run_heading";
import { ViewLink } from "../view_link";
import { DistributionPlot } from "./distribution_plot";
import { DotPlot } from "./dot_plot";
import { layOutScatter, type ScatterLayout } from "./layout";
import { ScatterReadout } from "./readout";
import { allDots, type Dots, longRuns, wanted } from "./scene";
import { countsOf } from "./wording";

/** Each channel is a dot of its own: the server need not pool them. */
const unpooled = { width: 8192, height: 8192 };

function Explanation() {
  const { dots, shared } = choices.value;
  return (
    <Caption>
      Channels (right) by value (up), a dot for each sample
      {dots === "channel" ? ", coloured by channel" : ""}; beside it, how the whole batch is distributed
      {choices.value.minus === null ? ", and was at an earlier step" : ""}.{" "}
      {shared ? "One linear axis for all runs." : "Each run has a linear axis of its own."}
    </Caption>
  );
}

function Links() {
  return (
    <>
      <ViewLink view="heatmap">Heatmap</ViewLink> and <ViewLink view="curves">Curves</ViewLink>
    </>
  );
}

/** Where there is more than one timestep, or none: which view is for that. */
function Elsewhere() {
  const phrase = quantityPhrase(quantity.value?.quantity ?? "");
  if (quantity.value?.kind === "matrices") {
    return (
      <p>
        Scatter is for quantities of a single timestep; {phrase} have none. <ViewLink view="heatmap">Heatmap</ViewLink>{" "}
        draws them.
      </p>
    );
  }
  const all = [...new Set(longRuns.value.map(({ timesteps }) => timesteps))];
  return (
    <p>
      Scatter is for quantities of a single timestep, as return_sequences=False gives them; the {phrase} here has{" "}
      {all.join(", ")} timesteps. <Links /> show them.
    </p>
  );
}

function LongRuns() {
  if (longRuns.value.length === 0) return null;
  const sentences = longRuns.value.map(({ run, timesteps }) => `${run} has ${timesteps} timesteps`);
  return (
    <p class="caption">
      {sentences.join("; ")}: <Links /> show those.
    </p>
  );
}

function nothingText(dots: Dots): string | null {
  if (dots.missing !== null) return dots.missing;
  if (samples.value.length === 0) return "No sample is chosen. Pick one in the list on the left.";
  if (dots.samples.length === 0) return "Loading\u2026";
  if (dots.channels.length > 0) return null;
  return foundChannels.value.complaint === "" ? "no such channel" : foundChannels.value.complaint;
}

function RunBlock({ dots, layout }: { dots: Dots; layout: ScatterLayout }) {
  const nothing = nothingText(dots);
  const badge = nothing === null ? nonFiniteText(countsOf(dots)) : "";
  return (
    <figure class="scatter-run">
      <RunHeading run={dots.run} step={stepOf(dots.run)}>
        {badge === "" ? null : (
          <span class="badge" title="Values that are not finite numbers: they have no dot">
            {badge}
          </span>
        )}
      </RunHeading>
      {nothing === null ? (
        <div class="scatter-plots">
          <DotPlot dots={dots} size={{ width: layout.dots, height: layout.height }} />
          <DistributionPlot run={dots.run} size={{ width: layout.distribution, height: layout.height }} />
        </div>
      ) : (
        <p class="absent">{nothing}</p>
      )}
    </figure>
  );
}

function Body({ room }: { room: Room }) {
  const layout = layOutScatter(room, allDots.value.length);
  return (
    <>
      <Explanation />
      <AbsentRuns />
      <LongRuns />
      <div class="scatter-grid" style={{ gridTemplateColumns: `repeat(${layout.columns}, ${layout.column}px)` }}>
        {room.width === 0 ? null : allDots.value.map((dots) => <RunBlock key={dots.key} dots={dots} layout={layout} />)}
      </div>
      <ScatterReadout />
    </>
  );
}

export function ScatterView() {
  const { place, room } = useRoom();
  const wish = wanted.value;
  useLayoutEffect(() => {
    wishStatistics(wish);
  }, [wish]);
  useLayoutEffect(() => {
    setPanelPixels(unpooled);
    return () => {
      wishStatistics(null);
      pointAt(null);
    };
  }, []);
  const known = shownSeries.value.length === shownRuns.value.length;
  const elsewhere = quantity.value?.kind === "matrices" || (known && allDots.value.length === 0);
  return (
    <div class="view scatter-view" ref={place}>
      {elsewhere && shownRuns.value.length > 0 ? <Elsewhere /> : known ? <Body room={room} /> : null}
    </div>
  );
}
