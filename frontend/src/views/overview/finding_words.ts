/** Findings in words, and which of them explain which. */

import { measuredText, numberText, percentText } from "../../drawing/number_text";
import { type Finding, type Health, type Measure } from "../../state/health";

/** A finding, and all that probably follows from it. */
export interface Explained {
  at: number;
  finding: Finding;
  consequences: { at: number; finding: Finding }[];
}

/** What is found, and where: the same while steps come and its place in the list changes. */
export function identityOf({ run, layer, fault, quantity, direction, matrix, gate }: Finding): string {
  return JSON.stringify([run, layer, fault, quantity, direction, matrix, gate]);
}

/** The finding at the end of the chain of causes. */
function rootOf(findings: readonly Finding[], at: number): number {
  // A cause comes before what follows from it.
  const cause = findings[at].follows;
  return cause === null || cause >= at ? at : rootOf(findings, cause);
}

/** In their order, consequences with their first cause. */
export function explained(findings: readonly Finding[]): Explained[] {
  const roots = new Map<number, Explained>();
  findings.forEach((finding, at) => {
    if (rootOf(findings, at) === at) roots.set(at, { at, finding, consequences: [] });
  });
  findings.forEach((finding, at) => {
    const root = rootOf(findings, at);
    if (root !== at) roots.get(root)?.consequences.push({ at, finding });
  });
  return [...roots.values()];
}

export interface SentencePart {
  text: string;
  isStrong: boolean;
}

/** The sentence, with the first number that it states. */
export function sentenceParts(sentence: string): SentencePart[] {
  const found = /\d[\d.]*(?:e[\u2212-]?\d+)?%?(?:-fold)?(?: of \d+)?/.exec(sentence.replace(/[.,](?= |$)/g, " "));
  if (found === null) return [{ text: sentence, isStrong: false }];
  const [start, end] = [found.index, found.index + found[0].trimEnd().length];
  return [
    { text: sentence.slice(0, start), isStrong: false },
    { text: sentence.slice(start, end), isStrong: true },
    { text: sentence.slice(end), isStrong: false },
  ];
}

/** "gru / encoder". */
export function placeName({ run, layer }: Pick<Finding, "run" | "layer">): string {
  return `${run} / ${layer}`;
}

/** The measure by which something was found, as it is now. */
export function measureOf({ runs }: Health, finding: Finding): Measure | undefined {
  const layer = runs
    .find(({ run }) => run === finding.run)
    ?.layers.find((candidate) => candidate.layer === finding.layer);
  const named = layer?.measures.filter(({ measure }) => measure === finding.measure) ?? [];
  const fields = ["quantity", "direction", "matrix", "gate"] as const;
  return named.find((one) => fields.every((field) => one[field] === finding[field])) ?? named.at(0);
}

function valueText(value: number, of: number | null, unit: Measure["unit"] | undefined): string {
  if (unit === "share") return percentText(value);
  return of === null ? measuredText(value, 3) : `${measuredText(value, 3)} of ${measuredText(of, 4)}`;
}

function sinceText({ since, clean_until: clean, until }: Finding): string {
  const begun = since === until ? `at step ${since}` : `since step ${since}`;
  return clean === null ? begun : `${begun}, not yet at step ${clean}`;
}

export interface Fact {
  text: string;
  /** What more there is to say. */
  title: string;
}

/** What was measured, the threshold, since when. */
export function factsOf(health: Health, finding: Finding): Fact[] {
  const measure = measureOf(health, finding);
  const kind = health.columns.find((column) => column.measure === finding.measure);
  const title = measure?.title ?? kind?.title ?? finding.measure.replaceAll("_", " ");
  const value = finding.value === null ? "not finite" : valueText(finding.value, finding.of, measure?.unit);
  const threshold = health.thresholds.find(({ name }) => name === finding.threshold_name);
  const facts: Fact[] = [{ text: `${title}: ${value}`, title: kind?.meaning ?? "" }];
  if (finding.threshold !== null) {
    const name = finding.threshold_name === "" ? "" : ` (${thresholdTitle(finding.threshold_name)})`;
    facts.push({ text: `threshold: ${numberText(finding.threshold, 3)}${name}`, title: threshold?.meaning ?? "" });
  }
  return [...facts, { text: sinceText(finding), title: "The first kept step from which on it has been so" }];
}

/** "horizon share". */
export function thresholdTitle(name: string): string {
  return name.replaceAll("_", " ");
}
