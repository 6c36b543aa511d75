/** Why there is nothing to see, and what fills it. */

import { computed } from "@preact/signals";
import { useState } from "preact/hooks";
import { dataLocation, index, layerName, runs, selectedRuns } from "../state/catalogue";
import { problem } from "../state/problems";
import { keptSteps, writtenSteps } from "../state/series";

type Emptiness = "loading" | "no runs" | "no data" | "none selected" | "no layer" | "all sampled away";

export const emptiness = computed<Emptiness | null>(() => {
  if (index.value === null) return "loading";
  if (!index.value.experiment_has_runs) return "no runs";
  if (runs.value.length === 0) return "no data";
  if (selectedRuns.value.length === 0) return "none selected";
  if (layerName.value === null) return "no layer";
  return writtenSteps.value.length > 0 && keptSteps.value.length === 0 ? "all sampled away" : null;
});

export function Code({ title, code }: { title: string; code: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code);
      setCopied(true);
    } catch {
      // A page over plain HTTP has no clipboard; the line can still be selected.
      setCopied(false);
    }
  };
  return (
    <div class="code">
      <span class="quiet">{title}</span>
      <pre>
        <code>{code}</code>
      </pre>
      <button type="button" onClick={() => void copy()} title={`Copy the ${title} line`}>
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}

function Lines() {
  return (
    <>
      <Code title="PyTorch" code={'rnn_summary.write(taps, step=step, writer="logs/lstm")'} />
      <Code title="Keras" code={'callbacks=[rnn_summary.KerasCallback("logs/lstm", every=50)]'} />
    </>
  );
}

function NoRuns() {
  return (
    <>
      <h2>No runs yet</h2>
      <p>
        The log directory {dataLocation.value === null ? null : <code>{dataLocation.value}</code>} holds no runs.
        TensorBoard looks again by itself every few seconds, and this tab with it. To write into it:
      </p>
      <Lines />
    </>
  );
}

function NoData() {
  return (
    <>
      <h2>The runs here hold no RNN data</h2>
      <p>
        {dataLocation.value === null ? "The log directory" : <code>{dataLocation.value}</code>} has runs, but none wrote
        for this tab. This line does:
      </p>
      <Lines />
    </>
  );
}

function Loading() {
  return problem.value === null ? <p class="quiet">Loading{"\u2026"}</p> : null;
}

function AllSampledAway() {
  return (
    <>
      <h2>The arrays were sampled away</h2>
      <p>
        {writtenSteps.value.length} steps of this quantity were written, but TensorBoard's loader kept the arrays of
        none. Start TensorBoard with this flag to keep all:
      </p>
      <Code title="tensorboard flag" code="--samples_per_plugin=rnn_arrays=0" />
    </>
  );
}

export function EmptyState({ kind }: { kind: Emptiness }) {
  return (
    <section class="empty">
      {kind === "loading" ? <Loading /> : null}
      {kind === "no runs" ? <NoRuns /> : null}
      {kind === "no data" ? <NoData /> : null}
      {kind === "none selected" ? <p>No run is selected. Tick one in the list on the left.</p> : null}
      {kind === "no layer" ? <p>The selected runs hold no layers.</p> : null}
      {kind === "all sampled away" ? <AllSampledAway /> : null}
    </section>
  );
}
