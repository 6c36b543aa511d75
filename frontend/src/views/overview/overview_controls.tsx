/** What of the overview can be set. */

import { choices, choose } from "../../state/choices";
import { type ProfileStatistic } from "../../state/profiles";
import { ColourSelect } from "../../ui/colour_select";
import { Select } from "../../ui/controls";
import { DecadesSelect } from "../../ui/scale_controls";
import { colouring } from "./flow_scene";
import { statisticTexts } from "./flow_words";
import { ThresholdControls } from "./threshold_controls";

const statistics: [ProfileStatistic, string][] = [
  ["mean", statisticTexts.mean],
  ["0.5", statisticTexts["0.5"]],
  ["0.1", statisticTexts["0.1"]],
  ["0.9", statisticTexts["0.9"]],
];

export function OverviewControls() {
  return (
    <>
      <Select
        id="statistic"
        label="Over samples"
        title={
          "What the gradient-flow map shows of the norms of a batch\u2019s samples: their mean, or the sample that a tenth, half or " +
          "nine tenths stay below, where a few samples carry most of the gradient"
        }
        value={choices.value.statistic}
        options={statistics}
        onChange={(value) => {
          choose({ statistic: value as ProfileStatistic });
        }}
      />
      <DecadesSelect />
      <ColourSelect automatic={colouring.value.map.name} />
      <ThresholdControls />
    </>
  );
}
