/** What went wrong with the server, for the banner. What was drawn before stays. */

import { computed, signal } from "@preact/signals";
import { isCancelled } from "../api";

const asked = ["index", "series", "health", "profiles", "timescales", "statistics", "arrays"] as const;
export type Asked = (typeof asked)[number];

const sentences = signal<Partial<Record<Asked, string>>>({});

/** The first in the order of asking: without an index the rest cannot be right either. */
export const problem = computed<string | null>(() => {
  const first = asked.find((one) => sentences.value[one] !== undefined);
  return first === undefined ? null : (sentences.value[first] ?? null);
});

/** Counts what is a reason to try again: the button here, TensorBoard's own reloading, a server that answers again. */
export const attempts = signal(0);

export function reportProblem(asked: Asked, error: unknown): void {
  if (isCancelled(error)) return;
  sentences.value = { ...sentences.peek(), [asked]: error instanceof Error ? error.message : String(error) };
}

export function resolveProblem(asked: Asked): void {
  const { [asked]: solved, ...others } = sentences.peek();
  if (solved !== undefined) sentences.value = others;
}
