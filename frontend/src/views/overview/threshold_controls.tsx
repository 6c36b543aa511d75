/** The thresholds: all can be read, most can be set. */

import { numberText } from "../../drawing/number_text";
import { choices, choose } from "../../state/choices";
import { health, type Threshold } from "../../state/health";
import { Select } from "../../ui/controls";
import { thresholdTitle } from "./finding_words";

const shares: [string, string][] = [
  ["0.5", "50%"],
  ["0.1", "10%"],
  ["0.05", "5%"],
  ["0.01", "1%"],
  ["0.001", "0.1%"],
  ["0.0001", "0.01%"],
];
const horizonShare = "horizon_share";

/** A threshold that is at its default is no choice. */
function setThreshold({ name, default: usual }: Pick<Threshold, "name" | "default">, text: string): void {
  const value = Number(text);
  const { [name]: before, ...others } = choices.value.thresholds;
  if (text === "" || value === usual || !Number.isFinite(value) || value <= 0) {
    if (before !== undefined) choose({ thresholds: others });
    return;
  }
  choose({ thresholds: { ...others, [name]: value } });
}

function HorizonShare({ threshold }: { threshold: Threshold }) {
  const value = String(choices.value.thresholds[horizonShare] ?? threshold.default);
  const options = shares.some(([share]) => share === value) ? shares : [[value, value] as [string, string], ...shares];
  return (
    <Select
      id="horizon-share"
      label={"Horizon: smallest share, \u03b5"}
      title={
        "The gradient horizon is the largest lag at which the gradient is at least this share of its largest norm: " +
        "a smaller share sees further back"
      }
      value={value}
      options={options}
      onChange={(text) => {
        setThreshold(threshold, text);
      }}
    />
  );
}

function Adjustable({ threshold }: { threshold: Threshold }) {
  const { name, default: usual, meaning, source } = threshold;
  const chosen = choices.value.thresholds[name];
  return (
    <label class="threshold" title={`${meaning} ${numberText(usual)} by default. Source: ${source}.`}>
      <span>{thresholdTitle(name)}</span>
      <input
        type="number"
        min="0"
        step="any"
        value={chosen ?? usual}
        class={chosen === undefined ? "" : "changed"}
        onChange={(event) => {
          setThreshold(threshold, event.currentTarget.value);
          event.currentTarget.value = String(choices.value.thresholds[name] ?? usual);
        }}
      />
    </label>
  );
}

function Fixed({ threshold: { name, value, meaning, source } }: { threshold: Threshold }) {
  const set = "Set where the numbers are written: rnn_summary.write(\u2026, thresholds=\u2026).";
  return (
    <div class="threshold" title={`${meaning} Source: ${source}. ${set}`}>
      <span>{thresholdTitle(name)}</span>
      <span>{numberText(value)}</span>
    </div>
  );
}

export function ThresholdControls() {
  const all = health.value?.thresholds ?? [];
  const share = all.find(({ name }) => name === horizonShare);
  const others = all.filter(({ name }) => name !== horizonShare);
  const changed = Object.keys(choices.value.thresholds).length;
  if (all.length === 0) return null;
  return (
    <>
      {share === undefined ? null : <HorizonShare threshold={share} />}
      <details class="thresholds">
        <summary title="What divides the sick from the healthy: to be set where the defaults do not suit a net">
          Thresholds{changed === 0 ? "" : ` (${changed} changed)`}
        </summary>
        {others
          .filter(({ adjustable }) => adjustable)
          .map((one) => (
            <Adjustable key={one.name} threshold={one} />
          ))}
        <p class="hint">Applied when the numbers were written:</p>
        {others
          .filter(({ adjustable }) => !adjustable)
          .map((one) => (
            <Fixed key={one.name} threshold={one} />
          ))}
      </details>
      {changed === 0 ? null : (
        <button
          type="button"
          class="link"
          title="Every threshold back to its default"
          onClick={() => {
            choose({ thresholds: {} });
          }}
        >
          reset thresholds
        </button>
      )}
    </>
  );
}
