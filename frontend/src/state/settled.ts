/** When everything is on the screen that was asked for: a figure of it may be made. */

import { areArraysExact } from "./arrays";
import { index, runs, selectedRuns, shownRuns } from "./catalogue";
import { isHealthThere } from "./health";
import { needs } from "./needs";
import { problem } from "./problems";
import { areProfilesThere } from "./profiles";
import { shownSeries } from "./series";
import { areStatisticsThere } from "./statistics";
import { areTimescalesThere } from "./timescales";
import { panelPixels } from "./wanted";

/** Why there is nothing that could be waited for; null where there is. */
function hopeless(): string | null {
  if (problem.value !== null) return problem.value;
  if (index.value === null) return null;
  if (runs.value.length === 0) return "there is no RNN data";
  if (selectedRuns.value.length === 0) return "none of these runs has RNN data";
  return shownRuns.value.length === 0 ? "no run has this layer and quantity" : null;
}

function isThere(): boolean {
  if (index.value === null || shownSeries.value.length < shownRuns.value.length) return false;
  if (needs.value.arrays && (panelPixels.value === null || !areArraysExact())) return false;
  if (!isHealthThere.value || !areProfilesThere.value || !areTimescalesThere.value) return false;
  return areStatisticsThere.value && document.querySelector("canvas[data-painted='false']") === null;
}

function nextFrame(): Promise<void> {
  return new Promise((done) => {
    requestAnimationFrame(() => {
      done();
    });
  });
}

/** A layout may ask for other arrays once, when it finds how much room there is. */
const framesInARow = 4;

/** Resolves once everything has been there for some frames; rejects with what went wrong. */
export async function settled(): Promise<void> {
  for (let frames = 0; frames < framesInARow;) {
    await nextFrame();
    const reason = hopeless();
    if (reason !== null) throw new Error(reason);
    frames = isThere() ? frames + 1 : 0;
  }
}
