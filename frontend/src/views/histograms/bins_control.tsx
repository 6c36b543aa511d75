/** How many bins a histogram has. */

import { useState } from "preact/hooks";
import { binsRange, choices, choose } from "../../state/choices";
import { scaleKind } from "../../state/panels";

const { least, most } = binsRange;

const meaning =
  "How many bins of equal width each histogram has. Empty: automatic, those that were counted when the numbers were " +
  "written, of the whole batch (an even sample where that is more than 65\u202f536 numbers) and at every step. " +
  `${least} to ${most}: counted anew from the arrays, for a finer or ` +
  "coarser look at the steps whose arrays were kept";

/** Why the number is not asked for; "" where it is. */
function hindrance(): string {
  if (choices.value.over === "map") return "The map has rows of its own.";
  return scaleKind.value === "linear" ? "" : "On this scale a bin is an octave; the linear scale lets you choose.";
}

function binsIn(text: string): number | null | undefined {
  if (text === "") return null;
  const bins = Number(text);
  return Number.isInteger(bins) && bins >= least && bins <= most ? bins : undefined;
}

export function BinsControl() {
  const [complaint, complain] = useState("");
  const why = hindrance();
  const { bins } = choices.value;
  return (
    <div class="control">
      <label for="bins">Bins</label>
      <input
        type="number"
        id="bins"
        min={least}
        max={most}
        step={1}
        placeholder="automatic"
        title={meaning}
        aria-describedby="bins-note"
        disabled={why !== ""}
        value={bins ?? ""}
        onChange={({ currentTarget }) => {
          const chosen = currentTarget.validity.badInput ? undefined : binsIn(currentTarget.value);
          complain(chosen === undefined ? `A whole number from ${least} to ${most}, or nothing for automatic.` : "");
          if (chosen !== undefined) choose({ bins: chosen });
        }}
      />
      <p class="hint" id="bins-note" role="status">
        {why === "" ? complaint : why}
      </p>
    </div>
  );
}
