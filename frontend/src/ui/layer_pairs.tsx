/** For runs that have no layer of the chosen name: which of theirs stands for it. */

import { layerName, pairedLayer, pairLayer, runsToPair } from "../state/catalogue";
import { runColour } from "../state/names";

export function LayerPairs() {
  const runs = runsToPair.value;
  const chosen = layerName.value;
  if (runs.length === 0 || chosen === null) return null;
  return (
    <details class="pairs">
      <summary title="Hold a layer of another name, in runs that have none of this name, against the chosen one">
        {runs.length === 1 ? "1 run has" : `${runs.length} runs have`} no such layer: pair by hand
      </summary>
      {runs.map((run) => (
        <label key={run.run} class="pair">
          <span class="dot" style={{ background: runColour(run.position) }} />
          <bdi>{run.run}</bdi>
          <select
            aria-label={`Layer of ${run.run}`}
            title={`The layer of ${run.run} that is held against ${chosen}`}
            value={pairedLayer(run)?.layer ?? ""}
            onChange={(event) => {
              pairLayer(run.run, event.currentTarget.value === "" ? null : event.currentTarget.value);
            }}
          >
            <option value="" selected={pairedLayer(run) === undefined}>
              none
            </option>
            {run.layers.map(({ layer }) => (
              <option key={layer} value={layer} selected={layer === pairedLayer(run)?.layer}>
                {layer}
              </option>
            ))}
          </select>
        </label>
      ))}
    </details>
  );
}
