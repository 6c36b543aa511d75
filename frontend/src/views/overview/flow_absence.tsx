/** Why a map is not there, and the line of code that gives it. */

import { layerOf, quantity, selectedRuns, shownRuns, whatRunLacks } from "../../state/catalogue";
import { choose } from "../../state/choices";
import { health } from "../../state/health";
import { quantityPhrase } from "../../state/names";
import { shownProfiles } from "../../state/profiles";
import { Code } from "../../ui/empty_state";
import { directPath, throughTime } from "./flow_scene";

/** Why a layer of a run has no total gradient, in the server's words. */
function reasonFor(run: string, layer: string): string | null {
  const own = health.value?.runs.find((one) => one.run === run)?.layers.find((one) => one.layer === layer);
  if (own === undefined || own.quantities.includes(throughTime)) return null;
  return own.absent.find(({ measure }) => measure === "gradient_horizon")?.reason ?? null;
}

/** The lines that record it. */
export function HowToRecord() {
  return (
    <details class="how-to-record">
      <summary title="The line of code that records it from now on">How to record it</summary>
      <Code title="PyTorch" code="with rnn_summary.attach(model, every=50) as taps:" />
      <Code title="Keras" code={'callbacks=[rnn_summary.KerasCallback("logs/lstm", every=50)]'} />
      <Code title="own arrays" code={'LayerRecord("decoder/lstm", sequences={"bptt_gradient": g})'} />
    </details>
  );
}

interface Lack {
  run: string;
  reason: string;
}

/** The selected runs that have no map, and why. */
function lacks(layer: string, name: string): Lack[] {
  const without = selectedRuns.value.flatMap((run): Lack[] => {
    const lack = whatRunLacks(run);
    if (lack === "") return [];
    const own = layerOf(run, layer) === undefined ? null : reasonFor(run.run, layer);
    const what = lack === "not this quantity" ? `no ${quantityPhrase(name)} was recorded` : lack;
    return [{ run: run.run, reason: name === throughTime ? (own ?? what) : what }];
  });
  const empty = shownProfiles.value.flatMap(({ run, profiles, reason }) =>
    profiles.length === 0 && reason !== null ? [{ run: run.run, reason }] : [],
  );
  return [...without, ...empty];
}

/** Of all selected runs none has the total gradient: what is drawn instead, and why. */
function Instead({ layer }: { layer: string }) {
  const reasons = [...new Set(shownRuns.value.flatMap(({ run }) => reasonFor(run, layer) ?? []))];
  return (
    <div class="flow-note">
      <p>
        <strong>No BPTT gradient dL/dh was recorded of this layer.</strong> {reasons.join(" ")} Drawn instead is the
        output gradient, {"\u2202L/\u2202y"}: the direct path alone. It does not say how far back the net learns.
      </p>
      <HowToRecord />
    </div>
  );
}

function Lacking({ found, name }: { found: Lack[]; name: string }) {
  const isTotal = name === throughTime;
  const others = selectedRuns.value.some(({ layers }) =>
    layers.some(({ quantities }) => quantities.some((one) => one.quantity === directPath)),
  );
  return (
    <div class="flow-note">
      <ul>
        {found.map(({ run, reason }) => (
          <li key={run}>
            <strong>
              <bdi>{run}</bdi>
            </strong>
            : {reason}
          </li>
        ))}
      </ul>
      {isTotal && others ? (
        <p>
          <button
            type="button"
            class="inline-link"
            title="It was recorded of this layer, and shows which timesteps have a gradient of their own"
            onClick={() => {
              choose({ quantity: directPath });
            }}
          >
            Show the output gradient instead
          </button>
          , the direct path alone.
        </p>
      ) : null}
      {isTotal ? <HowToRecord /> : null}
    </div>
  );
}

function Nothing({ layer }: { layer: string }) {
  return (
    <div class="flow-note">
      <p>
        <strong>No gradient was recorded of this layer.</strong>{" "}
        {selectedRuns.value.flatMap(({ run }) => reasonFor(run, layer) ?? []).at(0)}
      </p>
      <HowToRecord />
    </div>
  );
}

/** Above the maps: what they are not. */
export function NotThroughTime({ layer }: { layer: string }) {
  const name = quantity.value?.quantity;
  if (name === undefined) return <Nothing layer={layer} />;
  const hasTotal = selectedRuns.value.some((run) =>
    layerOf(run, layer)?.quantities.some((one) => one.quantity === throughTime),
  );
  return name === directPath && !hasTotal ? <Instead layer={layer} /> : null;
}

/** Below the maps: which runs have none. */
export function AbsentMaps({ layer }: { layer: string }) {
  const name = quantity.value?.quantity;
  const found = name === undefined ? [] : lacks(layer, name);
  return name === undefined || found.length === 0 ? null : <Lacking found={found} name={name} />;
}
