/** What of the matrices and their norms can be set. */

import { choices, choose, type NormKind } from "../../state/choices";
import { Select } from "../../ui/controls";
import { ColourControls } from "../heatmap/heatmap_controls";

const norms: [NormKind, string][] = [
  ["l2", "L2"],
  ["l1", "L1"],
];

export function WeightsControls() {
  return (
    <>
      <ColourControls />
      <Select
        id="norm"
        label="Norm"
        title="Which norm of each gate's numbers is drawn over the steps"
        value={choices.value.norm}
        options={norms}
        onChange={(value) => {
          choose({ norm: value as NormKind });
        }}
      />
    </>
  );
}
