/** Sets everything going: the address, the theme, polling, fetching. */

import { effect } from "@preact/signals";
import { exactness, watchArrays } from "./arrays";
import { refreshIndex } from "./catalogue";
import { choices, onChoose, writeChoices } from "./choices";
import { areDifferences } from "./columns";
import { watchHealth } from "./health";
import { isElsewhere, isVisible, onAddressChange, onDataReloaded, readAddress, watchTheme, writeAddress } from "./host";
import { dragging, playing, scrubbing, watchPlaying } from "./playback";
import { attempts } from "./problems";
import { watchProfiles } from "./profiles";
import { readAddressed, rememberChoices, writeAddressed } from "./remembered_choices";
import { keptSteps, snappedStep, watchSeries } from "./series";
import { neighbour } from "./steps";
import { watchStatistics } from "./statistics";
import { watchTimescales } from "./timescales";
import { type Wanted, wantedAt } from "./wanted";

const pollEvery = 5000;

function adoptAddress(): void {
  if (isElsewhere()) return;
  const written = readAddress();
  // TensorBoard drops our part when another tab was open in between: then the choices made here hold.
  if (Object.keys(written).length === 0) {
    writeAddress(writeAddressed(choices.peek()));
    return;
  }
  const said = readAddressed(written);
  if (JSON.stringify(writeChoices(said)) !== JSON.stringify(writeChoices(choices.peek()))) choices.value = said;
}

function besides(): Wanted[] {
  const now = snappedStep.peek();
  if (now === null) return [];
  const steps = keptSteps.peek();
  const next = neighbour(steps, now, 1);
  const previous = playing.peek() ? null : neighbour(steps, now, -1);
  const beside = [next, previous].flatMap((step) => (step === null || step === now ? [] : wantedAt(step)));
  // The whole is what is seen first when a region is left.
  return [...wantedAt(now, false), ...beside];
}

export function tryAgain(): void {
  // The index first, so that what is asked for again is of the newest steps.
  void refreshIndex().then(() => {
    attempts.value++;
  });
}

export function start(): () => void {
  choices.value = readAddressed(readAddress());
  const poll = () => {
    if (isVisible()) void refreshIndex();
  };
  const timer = window.setInterval(poll, pollEvery);
  const ends = [
    watchTheme(),
    onAddressChange(adoptAddress),
    onChoose(rememberChoices),
    watchSeries(),
    watchStatistics(),
    watchHealth(),
    watchProfiles(),
    watchTimescales(),
    watchArrays(besides),
    watchPlaying(),
    effect(() => {
      // A small difference of large values would be lost in rounded ones.
      exactness.value = scrubbing.value && !areDifferences.value ? "bfloat16" : "float32";
    }),
    effect(() => {
      const written = writeAddressed(choices.value);
      // The address costs more than a drawing: it gets the step that the drag comes to rest at.
      if (!dragging.value) writeAddress(written);
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
  onDataReloaded(tryAgain);
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
