/** What of the matrices and their norms can be set. */

import { quantity } from "../../state/catalogue";
import { choose, type NormKind } from "../../state/choices";
import { Select } from "../../ui/controls";
import { ChannelNormsBox } from "../heatmap/channel_norms_box";
import { ColourControls } from "../heatmap/heatmap_controls";
import { MatrixRegionControls } from "../heatmap/matrix_region_controls";
import { drawnNorm } from "./scene";

const norms: [NormKind, string][] = [
  ["l2", "L2"],
  ["l1", "L1"],
  ["channels", "L2 of each channel"],
  ["update_ratio", "update ratio"],
];

const meaning =
  "What is drawn over the steps, below the matrices. L2: how large the numbers of each gate are, the large ones above all. " +
  "L1: the same, each by its magnitude. L2 of each channel: how the norms of the single units are spread, which tells " +
  "whether a few run away or die. Update ratio: by what share of its L2 norm a matrix moves in a step, which tells " +
  "whether the learning rate suits it";

/** Gradients are not what moves. */
function offered(): [NormKind, string][] {
  return quantity.value?.quantity === "weights" ? norms : norms.filter(([norm]) => norm !== "update_ratio");
}

export function WeightsControls() {
  return (
    <>
      <ColourControls />
      <Select
        id="norm"
        label="Norm"
        title={meaning}
        value={drawnNorm.value}
        options={offered()}
        onChange={(value) => {
          choose({ norm: value as NormKind });
        }}
      />
      <ChannelNormsBox />
      <MatrixRegionControls />
    </>
  );
}
