/** The distributions of weights, gradients or activations, gate by gate: at one step, or over all of them. */

import { useLayoutEffect } from "preact/hooks";
import { quantity, shownRuns } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { quantityPhrase } from "../../state/names";
import { problem } from "../../state/problems";
import { wishStatistics } from "../../state/statistics";
import { AbsentRuns, Caption } from "../caption";
import { ColourBar } from "../heatmap/colour_bar";
import { binsSentence } from "./bins_words";
import { densityColouring } from "./density_drawing";
import { drawsDifferences } from "./differences";
import { GroupOfHistograms } from "./group";
import { Readout } from "./readout";
import { groups, isWaiting, largestShare, wanted } from "./scene";

const sentences = {
  step: "Each histogram covers an area of one; a number at the upper edge is the share of values in a bar that was cut off.",
  ridges:
    "From the first step at the top to the last at the bottom; the step that is looked at is drawn in full strength.",
  map: "Steps to the right, values upwards, the share of values as colour.",
};

const differenceSentence =
  "Upwards where there is more of the values than in what is taken away, downwards where there is less.";

function equalText(): string {
  const { equal, over } = choices.value;
  if (equal === "none") return "Each panel has axes of its own.";
  const among = quantity.value?.kind === "matrices" ? "Axes are equal for all gates of a matrix" : "Axes are equal";
  if (equal === "direction") return `${among}, within a direction.`;
  return equal === "directions" && over !== "step"
    ? `${among}, in all directions of a run.`
    : `${among}, in all directions and runs.`;
}

function Nothing() {
  if (isWaiting.value || problem.value !== null || shownRuns.value.length === 0) return null;
  return <p class="caption">Nothing was recorded of this quantity at these steps.</p>;
}

export function HistogramsView() {
  const { over } = choices.value;
  const wish = wanted.value;
  useLayoutEffect(() => {
    wishStatistics(wish);
  }, [wish]);
  useLayoutEffect(
    () => () => {
      wishStatistics(null);
    },
    [],
  );
  const found = groups.value;
  return (
    <div class="view histograms-view">
      <Caption loading={isWaiting.value && problem.value === null}>
        Distribution of the {quantityPhrase(quantity.value?.quantity ?? "")}.{" "}
        {drawsDifferences() ? differenceSentence : sentences[over]} {equalText()} {binsSentence()}
      </Caption>
      <AbsentRuns />
      {found.length === 0 ? <Nothing /> : null}
      <div class="grid-and-bar">
        <div class={`histogram-groups ${quantity.value?.kind ?? ""}`}>
          {found.map((group) => (
            <GroupOfHistograms key={group.key} group={group} />
          ))}
        </div>
        {over === "map" && largestShare.value > 0 ? (
          <div class="beside-grid">
            <p class="caption">share</p>
            <ColourBar colouring={densityColouring.value} height={220} />
          </div>
        ) : null}
      </div>
      <Readout />
    </div>
  );
}
