/** An address that brings back what is on the screen, to whoever opens it, whenever. */

import { layerName, quantity, selectedRuns } from "./catalogue";
import { choices } from "./choices";
import { addressWith } from "./host";
import { writeAddressed } from "./remembered_choices";
import { earlierStep, samples, snappedStep } from "./series";

/** What is left to the data now is said outright: later it may have more runs and steps. */
export function linkToScreen(): string {
  const now = choices.value;
  return addressWith(
    writeAddressed({
      ...now,
      runs: selectedRuns.value.map(({ run }) => run),
      layer: layerName.value,
      quantity: quantity.value?.quantity ?? null,
      samples: quantity.value?.kind === "sequence" ? samples.value : now.samples,
      earlier: now.earlier === null ? null : earlierStep.value,
      step: snappedStep.value,
    }),
  );
}
