/** Where the colours end. */

import { choices, choose, type LimitKind } from "../../state/choices";
import { typedLimits } from "../../state/colours";
import { Select } from "../../ui/controls";

const kinds: [LimitKind, string][] = [
  ["shared", "shared by all panels"],
  ["run", "one for each run"],
  ["panel", "one for each panel"],
  ["unit", "each panel from 0 to 1"],
  ["typed", "typed"],
];

const meaning =
  "Where the colours end. Shared: colours can be compared between all panels; one for each run: between its samples; " +
  "one for each panel: what is small in one is seen too. From 0 to 1: each panel's smallest value is 0, its largest 1, " +
  "on a linear scale; of absolute values, 0 is 0. Typed: the same whatever comes, as in a paper";

function TypedLimits() {
  const { complaint } = typedLimits.value;
  return (
    <div class="control">
      <label for="typed">Typed limits</label>
      <input
        type="search"
        id="typed"
        placeholder={"0.5, or \u22121 to 2"}
        title={
          "One number is the same on both sides of zero; two are the ends of a linear scale. " +
          "Values beyond have the colour of the end"
        }
        aria-describedby="typed-note"
        value={choices.value.typed}
        onInput={(event) => {
          choose({ typed: event.currentTarget.value });
        }}
      />
      <p class="hint" id="typed-note" role="status">
        {complaint !== "" ? complaint : choices.value.typed === "" ? "Until then, those of the data." : ""}
      </p>
    </div>
  );
}

export function LimitControls() {
  const { limits } = choices.value;
  return (
    <>
      <Select
        id="limits"
        label="Limits"
        title={meaning}
        value={limits}
        options={kinds}
        onChange={(value) => {
          choose({ limits: value as LimitKind });
        }}
      />
      {limits === "typed" ? <TypedLimits /> : null}
    </>
  );
}
