/** Our own list of runs, in TensorBoard's order and colours: TensorBoard's selection cannot be reached. */

import { useState } from "preact/hooks";
import { runs, selectedRuns, toggleRun, tooManyRuns, whatRunLacks } from "../state/catalogue";
import { mostRuns } from "../state/choices";
import { runColour } from "../state/names";

const searchedFrom = 9;

export function RunList() {
  const [search, setSearch] = useState("");
  const selected = new Set(selectedRuns.value);
  const found = runs.value.filter(({ run }) => run.toLowerCase().includes(search.toLowerCase()));
  return (
    <fieldset class="runs">
      <legend>Runs</legend>
      {runs.value.length < searchedFrom ? null : (
        <input
          type="search"
          aria-label="Search runs"
          placeholder="Search runs"
          title="List only the runs whose name contains this; what is ticked stays shown"
          value={search}
          onInput={(event) => {
            setSearch(event.currentTarget.value);
          }}
        />
      )}
      <div class="run-rows">
        {found.map((run) => {
          const lack = selected.has(run) ? whatRunLacks(run) : "";
          const note = lack === "" ? undefined : `run-${run.position}-lacks`;
          return (
            <label
              key={run.run}
              class="run"
              title={`${run.run}: tick it to see it beside the others, up to ${mostRuns} at once`}
            >
              <input
                type="checkbox"
                aria-label={run.run}
                aria-describedby={note}
                checked={selected.has(run)}
                onClick={(event) => {
                  toggleRun(run.run);
                  // A ninth run is refused: the box must not look as if it had not been.
                  event.currentTarget.checked = selectedRuns.value.some((now) => now.run === run.run);
                }}
              />
              <span class="dot" style={{ background: runColour(run.position) }} />
              <span class={selected.has(run) ? "run-name" : "run-name quiet"}>
                <bdi>{run.run}</bdi>
              </span>
              {lack === "" ? null : <small id={note}>{lack}</small>}
            </label>
          );
        })}
        {found.length === 0 ? <p class="hint">No run is called so.</p> : null}
      </div>
      <p class="hint" role="status">
        {tooManyRuns.value && selectedRuns.value.length >= mostRuns
          ? `At most ${mostRuns} runs are shown at once. Take one off first.`
          : ""}
      </p>
    </fieldset>
  );
}
