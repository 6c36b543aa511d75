/** What the chosen view asks of the data. */

import { signal } from "@preact/signals";

export interface Needs {
  /** Whether it draws arrays; else every step that was written can be shown. */
  arrays: boolean;
  /** The kind of quantities that it draws; null for any. */
  kind: "matrices" | null;
}

export const usualNeeds: Needs = { arrays: true, kind: null };

export const needs = signal<Needs>(usualNeeds);
