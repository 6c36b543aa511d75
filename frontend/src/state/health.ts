/** How the layers are doing: fetched for the selected runs as long as a view shows it. */

import { computed, effect, signal } from "@preact/signals";
import { fetchHealth, type Health } from "../api_health";
import { index, polls, selectedRuns } from "./catalogue";
import { choices, type Choices } from "./choices";
import { LatestAnswer, type Question } from "./latest_answer";
import { attempts } from "./problems";

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

// TensorBoard reads every step of every layer anew for an answer, on the machine that trains: that may take a tenth of
// the time.
const rest = 9;

let answered = { subject: "", restsUntil: 0 };

interface HealthQuestion extends Question {
  runs: string[];
  thresholds: Choices["thresholds"];
}

const latest = new LatestAnswer<HealthQuestion, Health>("health", async ({ runs, thresholds, subject }, signal) => {
  const start = performance.now();
  const found = await fetchHealth(runs, thresholds, signal);
  const end = performance.now();
  answered = { subject, restsUntil: end + rest * (end - start) };
  return found;
});

/** The last answer: it stays while the next is on its way. */
export const health = computed<Health | null>(() => latest.value?.answer ?? null);

/** Of which runs, by which thresholds; and of which revision of the index: that changes with every step that comes. */
const question = computed<HealthQuestion>(() => {
  const runs = selectedRuns.value.map(({ run }) => run);
  const { thresholds } = choices.value;
  const subject = JSON.stringify([runs, thresholds]);
  return { runs, thresholds, subject, asked: JSON.stringify([index.value?.revision, subject]) };
});

const isWanted = computed(() => wished.value && question.value.runs.length > 0);

export const isHealthThere = computed(() => !isWanted.value || latest.isOf(question.value));

/** Whether there is an answer already, but for steps that have come since. */
export const isHealthBehind = computed(
  () => !isHealthThere.value && latest.value?.question.subject === question.value.subject,
);

/** The finding that a measure or a row points to. */
export function findingAt(at: number | null): Health["findings"][number] | null {
  return at === null ? null : (health.value?.findings.at(at) ?? null);
}

/** Keeps it up to date. */
export function watchHealth(): () => void {
  let attempt = attempts.peek();
  return effect(() => {
    const now = question.value;
    // Who wants to see it now need not wait.
    if (attempts.value !== attempt) answered.restsUntil = 0;
    attempt = attempts.value;
    // Read so that the next poll asks again what was refused.
    if (polls.value < 0) return;
    // New steps alone can wait: the next poll asks again.
    const waits = isWanted.value && now.subject === answered.subject && performance.now() < answered.restsUntil;
    if (!waits) latest.want(isWanted.value ? now : null);
  });
}
