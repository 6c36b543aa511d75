/** Sets everything going: the address, the theme, polling, fetching. */

import { effect } from "@preact/signals";
import { exactness, watchArrays } from "./arrays";
import { refreshIndex } from "./catalogue";
import { choices, readChoices, writeChoices } from "./choices";
import { isElsewhere, isVisible, onAddressChange, onDataReloaded, readAddress, watchTheme, writeAddress } from "./host";
import { playing, scrubbing, watchPlaying } from "./playback";
import { attempts } from "./problems";
import { keptSteps, snappedStep, watchSeries } from "./series";
import { neighbour } from "./steps";
import { watchStatistics } from "./statistics";
import { type Wanted, wantedAt } from "./wanted";

const pollEvery = 5000;

function adoptAddress(): void {
  if (isElsewhere()) return;
  const written = readAddress();
  // TensorBoard drops our part when another tab was open in between: then the choices made here hold.
  if (Object.keys(written).length === 0) writeAddress(writeChoices(choices.peek()));
  else if (JSON.stringify(writeChoices(readChoices(written))) !== JSON.stringify(writeChoices(choices.peek()))) {
    choices.value = readChoices(written);
  }
}

function besides(): Wanted[] {
  const now = snappedStep.peek();
  if (now === null) return [];
  const steps = keptSteps.peek();
  const next = neighbour(steps, now, 1);
  const previous = playing.peek() ? null : neighbour(steps, now, -1);
  return [next, previous].flatMap((step) => (step === null || step === now ? [] : wantedAt(step)));
}

export function tryAgain(): void {
  attempts.value++;
  void refreshIndex();
}

export function start(): () => void {
  choices.value = readChoices(readAddress());
  const poll = () => {
    if (isVisible()) void refreshIndex();
  };
  const timer = window.setInterval(poll, pollEvery);
  const ends = [
    watchTheme(),
    onAddressChange(adoptAddress),
    watchSeries(),
    watchStatistics(),
    watchArrays(besides),
    watchPlaying(),
    effect(() => {
      exactness.value = scrubbing.value ? "bfloat16" : "float32";
    }),
    effect(() => {
      writeAddress(writeChoices(choices.value));
    }),
  ];
  let wasVisible = isVisible();
  const look = () => {
    if (!wasVisible) poll();
    wasVisible = isVisible();
  };
  // A tab that TensorBoard hid has no height: its coming back is a resize.
  document.addEventListener("visibilitychange", look);
  window.addEventListener("resize", look);
  onDataReloaded(() => void refreshIndex());
  void refreshIndex();
  return () => {
    window.clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("resize", look);
    ends.forEach((end) => {
      end();
    });
  };
}
