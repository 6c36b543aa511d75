/** The units of a layer, and of what stands for it in the other runs: their memory against their gradient. */

import { numberText } from "../../drawing/number_text";
import { problem } from "../../state/problems";
import { areTimescalesThere, timescales } from "../../state/timescales";
import { TimescaleFigure } from "./timescale_plot";
import { leastFit, plots } from "./timescale_scene";

const meaning =
  "The gate: 1 / (1 \u2212 its median over time). The gradient, dL/dc of an LSTM and dL/dh of a GRU: 1 / |slope| of its logarithm " +
  "against the lag. Where the gate alone carried it back, both would be equal, but for timescales of a few timesteps, " +
  "where the gradient\u2019s is shorter. Above the diagonal it comes by other ways, too: through the hidden state, or from a " +
  "loss at many timesteps.";

export function TimescaleSection() {
  const found = timescales.value;
  const isWaiting = found.length === 0 && !areTimescalesThere.value && problem.value === null;
  const reasons = found.flatMap(({ of, reason }) => (reason === null ? [] : [{ run: of.run, reason }]));
  return (
    <section class="timescale-section" aria-labelledby="timescale-heading">
      <h3 id="timescale-heading" title={meaning}>
        Memory of each unit against its gradient
        <span class="unseen">. {meaning}</span>
      </h3>
      {plots.value.length === 0 ? null : (
        <p class="quiet">
          A dot is a unit. Right: how many timesteps its keep gate holds the state; up: over how many its own gradient
          fades, where that is exponential (R{"\u00b2"} from {numberText(leastFit.value)} on). On the line both agree.
        </p>
      )}
      {isWaiting ? <p class="quiet">Loading{"\u2026"}</p> : null}
      <div class="timescale-plots">
        {plots.value.map((plot) => (
          <TimescaleFigure key={plot.key} plot={plot} />
        ))}
      </div>
      {reasons.length === 0 ? null : (
        <ul class="absent-measures">
          {reasons.map(({ run, reason }) => (
            <li key={run}>
              <bdi>{run}</bdi>: {reason}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
