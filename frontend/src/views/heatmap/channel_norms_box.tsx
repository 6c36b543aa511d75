/** Whether the norms of channels are drawn. */

import { choices, choose } from "../../state/choices";
import { areDifferences } from "../../state/columns";
import { Checkbox } from "../../ui/controls";

export function ChannelNormsBox() {
  if (areDifferences.value) return null;
  return (
    <Checkbox
      label="norms of channels above"
      title="Above each matrix the L2 norm of every column: which units dominate, and which are dead"
      checked={choices.value.marginals}
      onChange={(value) => {
        choose({ marginals: value });
      }}
    />
  );
}
