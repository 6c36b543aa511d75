/** How the layers are doing: fetched for the selected runs as long as a view shows it. */

import { computed, effect, signal } from "@preact/signals";
import { fetchHealth, type Health } from "../api_health";
import { index, polls, selectedRuns } from "./catalogue";
import { choices } from "./choices";
import { attempts, reportProblem, resolveProblem } from "./problems";

export {
  type Finding,
  type Health,
  type HealthColumn,
  type LayerHealth,
  type Measure,
  type MeasureKind,
  type PlaceLink,
  type RunHealth,
  type Severity,
  severities,
  type Threshold,
  type Verdict,
} from "../api_health";

const wished = signal(false);

/** Says whether it is to be fetched from now on. */
export function wishHealth(wanted: boolean): void {
  wished.value = wanted;
}

interface Answer {
  /** What it is an answer to, and of which revision. */
  subject: string;
  asked: string;
  health: Health;
}

const answer = signal<Answer | null>(null);

/** The last answer: it stays while the next is on its way. */
export const health = computed<Health | null>(() => answer.value?.health ?? null);

/** Of which runs, by which thresholds; and of which revision of the index: that changes with every step that comes. */
const question = computed(() => {
  const runs = selectedRuns.value.map(({ run }) => run);
  const subject = JSON.stringify([runs, choices.value.thresholds]);
  return { runs, subject, asked: JSON.stringify([index.value?.revision, subject]) };
});

export const isHealthThere = computed(
  () => !wished.value || question.value.runs.length === 0 || answer.value?.asked === question.value.asked,
);

/** Whether there is an answer already, but for steps that have come since. */
export const isHealthBehind = computed(() => !isHealthThere.value && answer.value?.subject === question.value.subject);

/** The finding that a measure or a row points to. */
export function findingAt(at: number | null): Health["findings"][number] | null {
  return at === null ? null : (health.value?.findings.at(at) ?? null);
}

// TensorBoard reads every step of every layer anew for an answer, on the machine that trains: that may take a tenth of
// the time.
const rest = 9;

let running: { subject: string; controller: AbortController } | null = null;
let answered = { subject: "", restsUntil: 0 };
const arrivals = signal(0);

async function load({ runs, subject, asked }: { runs: string[]; subject: string; asked: string }): Promise<void> {
  running?.controller.abort();
  const own = { subject, controller: new AbortController() };
  running = own;
  const start = performance.now();
  try {
    const found = await fetchHealth(runs, choices.peek().thresholds, own.controller.signal);
    const end = performance.now();
    answered = { subject, restsUntil: end + rest * (end - start) };
    answer.value = { subject, asked, health: found };
    if (running === own) running = null;
    resolveProblem("health");
    arrivals.value++;
  } catch (error) {
    reportProblem("health", error);
    if (running === own) running = null;
  }
}

/** Keeps it up to date. */
export function watchHealth(): () => void {
  let attempt = attempts.peek();
  return effect(() => {
    const now = question.value;
    // Who wants to see it now need not wait.
    if (attempts.value !== attempt) answered.restsUntil = 0;
    attempt = attempts.value;
    // Read so that a retry and the next poll ask again what was refused.
    if (attempts.value + polls.value + arrivals.value < 0 || !wished.value || now.runs.length === 0) return;
    // New steps alone can wait: the next poll asks again.
    if (now.subject === answered.subject && performance.now() < answered.restsUntil) return;
    // Steps that come faster than answers must not keep every answer from coming.
    if (answer.peek()?.asked !== now.asked && running?.subject !== now.subject) void load(now);
  });
}
