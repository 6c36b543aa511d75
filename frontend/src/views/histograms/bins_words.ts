/** Which bins the histograms have, and why not those that were asked for. */

import { indicesText } from "../../drawing/number_text";
import { quantity } from "../../state/catalogue";
import { sampleCounts } from "../../state/series";
import { type Frame, panelsOf } from "./arrangement";
import { chosenBins, groups } from "./scene";

const mostListed = 6;

function wasCounted({ block }: Frame): boolean {
  return block.binned !== undefined && block.binned !== null;
}

/** "lstm at step 0, gru at steps 0, 12": the steps of which the light summary alone is there. */
function lackingText(): string {
  const steps = new Map<string, Set<number>>();
  for (const { run, frames } of groups.value.flatMap(panelsOf).flatMap(({ traces }) => traces)) {
    for (const frame of frames) {
      if (!wasCounted(frame)) steps.set(run.run, (steps.get(run.run) ?? new Set()).add(frame.step));
    }
  }
  return [...steps]
    .map(([run, of]) => {
      const some = of.size > mostListed ? `${of.size} steps` : `step${of.size > 1 ? "s" : ""} ${indicesText([...of])}`;
      return `${run} at ${some}`;
    })
    .join(", ");
}

function ofWhat(): string {
  const counts = quantity.value?.kind === "sequence" ? sampleCounts.value : null;
  return counts === null || counts.kept === counts.written
    ? "the arrays"
    : `the ${counts.kept} of ${counts.written} samples that were kept`;
}

/** What is said of the bins where a number of them was chosen; "" where they are automatic. */
export function binsSentence(): string {
  const bins = chosenBins.value;
  if (bins === null || groups.value.length === 0) return "";
  const lacking = lackingText();
  const counted = groups.value.some((group) =>
    panelsOf(group).some(({ traces }) => traces.some(({ frames }) => frames.some(wasCounted))),
  );
  const some = counted ? `Each histogram has ${bins} bins, counted from ${ofWhat()}.` : "";
  const rest =
    lacking === "" ? "" : `There are no arrays of ${lacking}: the bins there are those of the light summary.`;
  return [some, rest].filter((part) => part !== "").join(" ");
}
