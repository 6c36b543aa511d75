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

/** "gru, rnn have no layer encoder": what is lacking may have a long name, and is said once. */
function absenceText(): string {
  const runsByLack = new Map<string, string[]>();
  for (const run of selectedRuns.value) {
    const lack = whatRunLacks(run);
    if (lack !== "") runsByLack.set(lack, [...(runsByLack.get(lack) ?? []), run.run]);
  }
  const sentences = [...runsByLack].map(([lack, runs]) => {
    const what = lack === "not this quantity" ? "none of this quantity here" : lack;
    return `${runs.join(", ")} ${runs.length === 1 ? "has" : "have"} ${what}`;
  });
  return sentences.length === 0 ? "" : `${sentences.join("; ")}.`;
}

/** The selected runs that have nothing to draw, and why. */
export function AbsentRuns() {
  const text = absenceText();
  return text === "" ? null : <p class="caption">{text}</p>;
}
