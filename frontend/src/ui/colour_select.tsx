/** Which colour map the drawings take. */

import { type ColourMapName, colourMapNames } from "../drawing/colour_maps";
import { choices, choose, type ColourChoice } from "../state/choices";
import { Select } from "./controls";

const mapTexts: Record<ColourMapName, string> = {
  vik: "vik",
  berlin: "berlin",
  RdBu: "RdBu",
  bwr: "bwr",
  cividis: "cividis (sequential)",
  grey: "grey (sequential)",
};

/** `automatic` is the map that stands in while none is chosen. */
export function ColourSelect({ automatic }: { automatic: string }) {
  const options: [ColourChoice, string][] = [
    ["automatic", `automatic (${automatic})`],
    ...colourMapNames.map((name): [ColourChoice, string] => [name, mapTexts[name]]),
  ];
  if (choices.value.colours !== "automatic") options[0] = ["automatic", "automatic"];
  return (
    <Select
      id="colours"
      label="Colours"
      title={
        "The colour map. Automatic: vik on light, berlin on dark, cividis where there are no signs; all three can be told " +
        "apart by the colour-blind. Grey suits print, bwr is see-rnn\u2019s"
      }
      value={choices.value.colours}
      options={options}
      onChange={(colours) => {
        choose({ colours: colours as ColourChoice });
      }}
    />
  );
}
