/** What of the histograms can be set. */

import { choices, choose, type EqualAxes, type HistogramKind } from "../../state/choices";
import { ColourSelect } from "../../ui/colour_select";
import { Checkbox, Select } from "../../ui/controls";
import { ScaleControls } from "../../ui/scale_controls";
import { BinsControl } from "./bins_control";
import { densityMapName } from "./density_drawing";

const kinds: [HistogramKind, string][] = [
  ["step", "one step, runs overlaid"],
  ["ridges", "over steps: ridgeline"],
  ["map", "over steps: density map"],
];

/** Overlaid runs have the same axes anyway. */
function equalOptions(over: HistogramKind): [EqualAxes, string][] {
  const rest: [EqualAxes, string][] = [
    ["direction", "within a direction"],
    ["none", "free"],
  ];
  if (over === "step") return [["runs", "across directions"], ...rest];
  return [["runs", "across runs"], ["directions", "across directions"], ...rest];
}

export function HistogramsControls() {
  const { over, equal, clip } = choices.value;
  return (
    <>
      <Select
        id="over"
        label="Show"
        title={
          "One step with all runs over each other, to compare runs; or all steps of each run, to see how it changed: as a " +
          "ridgeline of shapes, or as a map for many steps"
        }
        value={over}
        options={kinds}
        onChange={(value) => {
          choose({ over: value as HistogramKind });
        }}
      />
      <Select
        id="equal"
        label="Equal axes"
        title={
          "Among which panels the axes are equal, so that they can be compared; free shows the shape of each as large as it " +
          "can be"
        }
        value={over === "step" && equal === "directions" ? "runs" : equal}
        options={equalOptions(over)}
        onChange={(value) => {
          choose({ equal: value as EqualAxes });
        }}
      />
      <div class="group">
        <ScaleControls become="places" />
        <BinsControl />
      </div>
      {over === "map" ? (
        <ColourSelect automatic={densityMapName.value} />
      ) : (
        <Checkbox
          label="clip tall peaks"
          title={
            "Cut off up to two bars that stand far above the rest of a histogram, so that the rest can be seen, and write " +
            "their share on them"
          }
          checked={clip}
          onChange={(value) => {
            choose({ clip: value });
          }}
        />
      )}
    </>
  );
}
