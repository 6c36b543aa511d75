/** The lines above a view's drawings. */

import { type ComponentChildren } from "preact";
import { selectedRuns, whatRunLacks } from "../state/catalogue";
import { isLoading } from "../state/panels";

/** What is drawn, in a sentence or two, and whether more of it is on its way. */
export function Caption({ children, loading }: { children: ComponentChildren; loading?: boolean }) {
  const more = loading ?? isLoading.value;
  return (
    <p class="caption">
      {children}
      <span class={more ? "loading on" : "loading"} role="status">
        {more ? "Loading\u2026" : ""}
      </span>
    </p>
  );
}

/** The selected runs that have nothing to draw, and why. */
export function AbsentRuns() {
  const lacking = selectedRuns.value.map((run) => ({ run: run.run, lack: whatRunLacks(run) }));
  const sentences = lacking
    .filter(({ lack }) => lack !== "")
    .map(({ run, lack }) => `${run} has ${lack === "not this quantity" ? "none of this quantity here" : lack}`);
  return sentences.length === 0 ? null : <p class="caption">{sentences.join("; ")}.</p>;
}
