import { indicesText } from "../drawing/number_text";
import { choose } from "../state/choices";
import { sampleCounts, samples } from "../state/series";

/** Which of the kept samples are drawn. */
export function SamplePicker() {
  const counts = sampleCounts.value;
  if (counts === null) return null;
  const { kept, written } = counts;
  const chosen = samples.value;
  const all = Array.from({ length: kept }, (_, sample) => sample);
  const toggle = (sample: number) => {
    const next = chosen.includes(sample) ? chosen.filter((other) => other !== sample) : [...chosen, sample];
    choose({ samples: next.sort((a, b) => a - b) });
  };
  return (
    <fieldset>
      <legend>Samples</legend>
      <div class="samples">
        {all.map((sample) => (
          <label
            key={sample}
            title={`Draw sample ${sample} of the batch: a few at first, more to see whether all are alike`}
          >
            <input
              type="checkbox"
              aria-label={`Sample ${sample}`}
              checked={chosen.includes(sample)}
              onChange={() => {
                toggle(sample);
              }}
            />
            <span>{sample}</span>
          </label>
        ))}
        {kept < 3 || chosen.length === kept ? null : (
          <button
            type="button"
            class="link"
            title="Draw every sample that was kept"
            onClick={() => {
              choose({ samples: all });
            }}
          >
            all
          </button>
        )}
      </div>
      <p class="hint">
        Drawn: {chosen.length === 0 ? "none" : indicesText(chosen)}. Kept: {kept} of {written} in the batch.
      </p>
    </fieldset>
  );
}
