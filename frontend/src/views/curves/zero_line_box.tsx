/** Whether zero is drawn, and kept in sight. */

import { choices, choose } from "../../state/choices";
import { Checkbox } from "../../ui/controls";

export function ZeroLineBox() {
  return (
    <Checkbox
      label="zero line"
      title="Draw the line at zero, and keep it in sight; otherwise the axis follows the values"
      checked={choices.value.zero}
      onChange={(value) => {
        choose({ zero: value });
      }}
    />
  );
}
