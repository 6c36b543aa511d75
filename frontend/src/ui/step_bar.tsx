/** The steps: where we are, how to move, and what of them the loader left. */

import { useMemo } from "preact/hooks";
import { choices } from "../state/choices";
import { needs } from "../state/needs";
import { dragTo, moveStep, playing, setFollowing, togglePlaying } from "../state/playback";
import { keptSteps, sampledAway, snappedStep, step, writtenSteps } from "../state/series";
import { nearestIndex } from "../state/steps";
import { Checkbox } from "./controls";
import { Icon } from "./icons";
import { TakeAway } from "./take_away";

const mostTicks = 400;

/** One path for all ticks of a kind; with more steps than pixels the ticks would be a bar. */
function Ticks({ steps, kept }: { steps: number[]; kept: number[] }) {
  const paths = useMemo(() => {
    const arrays = new Set(kept);
    const every = Math.ceil(steps.length / mostTicks);
    const path = (want: boolean) =>
      steps
        .flatMap((at, i) => {
          const drawn = arrays.has(at) === want && (want || i % every === 0);
          return drawn ? [`M${(i / Math.max(1, steps.length - 1)) * 1000} 0V10`] : [];
        })
        .join("");
    return { kept: path(true), away: path(false) };
  }, [steps, kept]);
  return (
    <svg class="step-ticks" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      <path class="away" d={paths.away} />
      <path class="kept" d={paths.kept} />
    </svg>
  );
}

/** A slider's own arrows would go no further than a step that has no arrays. */
const arrows: Partial<Record<string, 1 | -1>> = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

function Slider() {
  const steps = writtenSteps.value;
  const at = snappedStep.value ?? 0;
  return (
    <div class="slider">
      <Ticks steps={steps} kept={keptSteps.value} />
      <input
        type="range"
        aria-label="Step"
        aria-valuetext={`step ${at}`}
        title="The training step that is shown"
        min={0}
        max={Math.max(0, steps.length - 1)}
        step={1}
        value={nearestIndex(steps, at)}
        disabled={steps.length < 2}
        onInput={(event) => {
          const wish = steps[event.currentTarget.valueAsNumber];
          dragTo(wish);
          // A step without arrays: the thumb goes to the one that is shown instead.
          event.currentTarget.valueAsNumber = nearestIndex(steps, snappedStep.value ?? wish);
        }}
        onKeyDown={(event) => {
          const turn = arrows[event.key];
          if (turn === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          moveStep(turn);
        }}
      />
    </div>
  );
}

function notes(): string[] {
  const { written, away } = sampledAway.value;
  const wished = choices.value.step;
  const shown = snappedStep.value;
  const lack = needs.value.arrays ? "has no arrays" : "was not written";
  const snapped =
    wished !== null && shown !== null && wished !== shown ? [`step ${wished} ${lack}: showing ${shown}`] : [];
  const sampled =
    away > 0
      ? [
          `arrays of ${away} of ${written} steps were sampled away by TensorBoard\u2019s loader; ` +
            "--samples_per_plugin=rnn_arrays=0 keeps all",
        ]
      : [];
  return [...snapped, ...sampled];
}

function Position() {
  const steps = writtenSteps.value;
  if (steps.length === 0) return <span class="position quiet">no steps</span>;
  return (
    <span class="position">
      <strong>{snappedStep.value ?? step.value}</strong>
      <span class="quiet">
        {" "}
        of {steps[0]}
        {"\u2026"}
        {steps[steps.length - 1]}
      </span>
    </span>
  );
}

export function StepBar() {
  const alone = keptSteps.value.length < 2;
  const written = notes();
  return (
    <footer class="step-bar" aria-label="Steps">
      <button
        type="button"
        disabled={alone}
        onClick={togglePlaying}
        aria-label={playing.value ? "Pause" : "Play"}
        title={playing.value ? "Pause (space)" : "Play through the steps (space)"}
      >
        <Icon name={playing.value ? "pause" : "play"} />
      </button>
      <span class="step-word">step</span>
      <button
        type="button"
        disabled={alone}
        onClick={() => {
          moveStep(-1);
        }}
        aria-label="Previous step"
        title="Previous step with arrays (left arrow)"
      >
        <Icon name="previous" />
      </button>
      <Slider />
      <button
        type="button"
        disabled={alone}
        onClick={() => {
          moveStep(1);
        }}
        aria-label="Next step"
        title="Next step with arrays (right arrow)"
      >
        <Icon name="next" />
      </button>
      <Position />
      <Checkbox
        label="follow latest"
        title="Go to each new step as it is written: for watching a training that is running"
        checked={choices.value.step === null}
        onChange={setFollowing}
      />
      <TakeAway />
      {written.length === 0 ? null : <p class="step-note">{written.join("; ")}</p>}
    </footer>
  );
}
