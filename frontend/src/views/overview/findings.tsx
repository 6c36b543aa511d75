/**
 * What was found, in a sentence each, worst first. What it was measured by, and what helps, is folded below it, but for the
 * first; and so is what probably follows from it.
 */

import { useState } from "preact/hooks";
import { choices, choose } from "../../state/choices";
import { type Finding, type Health, health } from "../../state/health";
import { runs } from "../../state/catalogue";
import { runColour } from "../../state/names";
import { useTakeable } from "../../take_away/takeable";
import { Chevron } from "./chevron";
import { findingNumbers } from "./finding_numbers";
import { type Explained, explained, factsOf, identityOf, placeName, sentenceParts } from "./finding_words";
import { goTo, viewLabel } from "./place";
import { isTextSelected } from "./selection";
import { SeverityMark } from "./severity";

const shownAtFirst = 4;

function RunDot({ run }: { run: string }) {
  const position = runs.value.find((candidate) => candidate.run === run)?.position;
  return position === undefined ? null : <span class="dot" style={{ background: runColour(position) }} />;
}

function ShowLink({ finding }: { finding: Finding }) {
  const { link } = finding;
  const place = `${placeName(link)} in ${viewLabel(link)}, step ${link.step}`;
  return (
    <button
      type="button"
      class="inline-link"
      data-not-taken=""
      aria-label={`show ${place}`}
      title={`Show ${place}`}
      onClick={() => {
        goTo(link);
      }}
    >
      show
    </button>
  );
}

function Facts({ finding, of }: { finding: Finding; of: Health }) {
  return (
    <p class="finding-facts">
      {factsOf(of, finding).map(({ text, title }) => (
        <span key={text} title={title}>
          {text}
        </span>
      ))}
    </p>
  );
}

interface FindingProps {
  finding: Finding;
  at: number;
  of: Health;
  /** Whether its details are open until someone closes them. */
  openAtFirst: boolean;
}

function Sentence({ finding }: { finding: Finding }) {
  return (
    <>
      <SeverityMark severity={finding.severity} />
      <RunDot run={finding.run} />
      <strong>
        <bdi>{placeName(finding)}</bdi>
      </strong>
      :{" "}
      {sentenceParts(finding.sentence).map(({ text, isStrong }, i) =>
        isStrong ? <strong key={i}>{text}</strong> : <span key={i}>{text}</span>,
      )}
      {"\u00a0"}
      <ShowLink finding={finding} />
    </>
  );
}

function OneFinding({ finding, at, of, openAtFirst }: FindingProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const isOpen = chosen ?? openAtFirst;
  const toggle = () => {
    setChosen(!isOpen);
  };
  const id = `finding-${at}`;
  return (
    <div class={`finding ${finding.severity}`} data-severity={finding.severity} data-fault={finding.fault}>
      <div class="finding-line">
        <button
          type="button"
          class="fold"
          aria-expanded={isOpen}
          aria-controls={id}
          aria-label={`measure, threshold and what helps: ${placeName(finding)}, ${finding.fault.replaceAll("_", " ")}`}
          title={isOpen ? "Close the details" : "How it was measured, against which threshold, and what usually helps"}
          data-not-taken=""
          onClick={toggle}
        >
          <Chevron />
        </button>
        <p
          class="finding-sentence"
          onClick={({ target }) => {
            if (isTextSelected()) return;
            if (target instanceof Element && target.closest("button") === null) toggle();
          }}
        >
          <Sentence finding={finding} />
        </p>
      </div>
      <div class="finding-details" id={id} hidden={!isOpen}>
        <p class="quiet">
          {finding.explanation} {finding.advice}
        </p>
        <Facts finding={finding} of={of} />
      </div>
    </div>
  );
}

function Consequences({ explained: { consequences }, of }: { explained: Explained; of: Health }) {
  if (consequences.length === 0) return null;
  return (
    <details class="consequences">
      <summary title="List what this one explains: cure this first">
        {consequences.length === 1
          ? "1 finding probably follows from it"
          : `${consequences.length} findings probably follow from it`}
      </summary>
      <ul class="finding-list">
        {consequences.map(({ at, finding }) => (
          <li key={identityOf(finding)}>
            <OneFinding finding={finding} at={at} of={of} openAtFirst={choices.value.details === "all"} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function NothingFound({ of }: { of: Health }) {
  const layers = of.runs.flatMap((run) => run.layers);
  const measures = layers.reduce((sum, { measures: own }) => sum + own.length, 0);
  if (measures === 0) return <p class="caption">Nothing was recorded here that could be judged.</p>;
  return (
    <p class="nothing-found">
      <SeverityMark severity="ok" />
      Nothing found{" "}
      <span class="quiet">
        in {measures} {measures === 1 ? "measure" : "measures"} of {layers.length}{" "}
        {layers.length === 1 ? "layer" : "layers"}.
      </span>
    </p>
  );
}

/** Opens the details of all findings, or of the first alone. */
function AllDetails({ count }: { count: number }) {
  const isAll = choices.value.details === "all";
  if (count < 2) return null;
  return (
    <button
      type="button"
      class="link more"
      title="How each was measured, against which threshold, and what usually helps"
      data-not-taken=""
      aria-expanded={isAll}
      onClick={() => {
        choose({ details: isAll ? "first" : "all" });
      }}
    >
      {isAll ? "Details of the first only" : "Details of all"}
    </button>
  );
}

function More({ rest }: { rest: number }) {
  const isAll = choices.value.findings === "all";
  if (rest <= 0) return null;
  return (
    <button
      type="button"
      class="link more"
      title="How much of the findings is listed; the worst come first"
      data-not-taken=""
      aria-expanded={isAll}
      onClick={() => {
        choose({ findings: isAll ? "first" : "all" });
      }}
    >
      {isAll
        ? `Show the first ${shownAtFirst} findings only`
        : `Show ${rest} more ${rest === 1 ? "finding" : "findings"}`}
    </button>
  );
}

export function Findings() {
  const of = health.value;
  const place = useTakeable<HTMLElement>(() => ({
    name: "findings",
    title: "What was found",
    fileParts: ["findings"],
    numbers: () => Promise.resolve(findingNumbers(of)),
  }));
  if (of === null) return null;
  const isAll = choices.value.details === "all";
  const all = explained(of.findings);
  const shown = choices.value.findings === "all" ? all : all.slice(0, shownAtFirst);
  return (
    <section class="findings" aria-labelledby="findings-heading" ref={place}>
      <h2 id="findings-heading" class="unseen">
        Findings
      </h2>
      {all.length === 0 ? <NothingFound of={of} /> : null}
      <ul class="finding-list">
        {shown.map((one, i) => (
          // What was opened or closed by hand is so until all are, wherever in the list the finding has come to stand.
          <li key={`${identityOf(one.finding)} ${choices.value.details}`}>
            <OneFinding finding={one.finding} at={one.at} of={of} openAtFirst={isAll || i === 0} />
            <Consequences explained={one} of={of} />
          </li>
        ))}
      </ul>
      <div class="finding-buttons">
        <AllDetails count={all.length} />
        <More rest={all.length - shownAtFirst} />
      </div>
    </section>
  );
}
