/** What the chosen view asks of the data. */

import { signal } from "@preact/signals";

export interface Needs {
  /** Whether it draws arrays; else every step that was written can be shown. */
  arrays: boolean;
  /** The kind of quantities that it draws; null for any. */
  kind: "matrices" | null;
  /** The quantities that it draws, that which is shown at first first; left out: any. */
  among?: readonly string[];
  /** Whether it sets an earlier step, or a run, against another; left out: it does. */
  compares?: boolean;
  /** Whether it draws the regions that were zoomed to, and channels in the order that was chosen. */
  arranges?: boolean;
}

export const usualNeeds: Needs = { arrays: true, kind: null };

export const needs = signal<Needs>(usualNeeds);
