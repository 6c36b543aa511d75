/** Going through the steps: by hand, and by itself. */

import { computed, effect, signal } from "@preact/signals";
import { isEverythingThere } from "./arrays";
import { choose } from "./choices";
import { keptSteps, snappedStep } from "./series";
import { neighbour } from "./steps";

export const playing = signal(false);
/** While the steps are dragged over, of which there may be sixty a second. */
export const dragging = signal(false);

/** While the steps fly by, half the bytes are enough. */
export const scrubbing = computed(() => playing.value || dragging.value);

const settleAfter = 150;
let settling = 0;

/** A step chosen with the slider. */
export function dragTo(step: number): void {
  playing.value = false;
  dragging.value = true;
  window.clearTimeout(settling);
  settling = window.setTimeout(() => {
    dragging.value = false;
  }, settleAfter);
  choose({ step });
}

export function moveStep(direction: 1 | -1): void {
  if (snappedStep.value === null) return;
  playing.value = false;
  const next = neighbour(keptSteps.value, snappedStep.value, direction);
  // Beyond the last step there is none: whoever follows the latest goes on following it.
  if (next !== snappedStep.value) choose({ step: next });
}

export function setFollowing(following: boolean): void {
  playing.value = false;
  choose({ step: following ? null : snappedStep.value });
}

const interval = 300;

function playOn(): void {
  // A step that is still on its way is waited for, not skipped.
  if (snappedStep.value === null || !isEverythingThere()) return;
  const next = neighbour(keptSteps.value, snappedStep.value, 1);
  if (next === null || next === snappedStep.value) playing.value = false;
  else choose({ step: next });
}

export function togglePlaying(): void {
  const steps = keptSteps.value;
  if (!playing.value && steps.length < 2) return;
  if (!playing.value && snappedStep.value === steps.at(-1)) choose({ step: steps[0] });
  playing.value = !playing.value;
}

export function watchPlaying(): () => void {
  let timer = 0;
  const stop = effect(() => {
    window.clearInterval(timer);
    if (playing.value) timer = window.setInterval(playOn, interval);
  });
  return () => {
    stop();
    window.clearInterval(timer);
  };
}
