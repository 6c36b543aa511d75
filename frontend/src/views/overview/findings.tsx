/** What was found, in sentences, worst first; a finding has what probably follows from it folded below it. */

import { choices, choose } from "../../state/choices";
import { type Finding, type Health, health } from "../../state/health";
import { runs } from "../../state/catalogue";
import { runColour } from "../../state/names";
import { type Explained, explained, factsOf, placeName, sentenceParts } from "./finding_words";
import { goTo, viewLabel } from "./place";
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

function OneFinding({ finding, of }: { finding: Finding; of: Health }) {
  return (
    <div class={`finding ${finding.severity}`} data-severity={finding.severity} data-fault={finding.fault}>
      <p class="finding-sentence">
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
      </p>
      <p class="quiet">
        {finding.explanation} {finding.advice}
      </p>
      <Facts finding={finding} of={of} />
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
          <li key={at}>
            <OneFinding finding={finding} of={of} />
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
  if (of === null) return null;
  const all = explained(of.findings);
  const shown = choices.value.findings === "all" ? all : all.slice(0, shownAtFirst);
  return (
    <section class="findings" aria-labelledby="findings-heading">
      <h2 id="findings-heading" class="unseen">
        Findings
      </h2>
      {all.length === 0 ? <NothingFound of={of} /> : null}
      <ul class="finding-list">
        {shown.map((one) => (
          <li key={one.at}>
            <OneFinding finding={one.finding} of={of} />
            <Consequences explained={one} of={of} />
          </li>
        ))}
      </ul>
      <More rest={all.length - shownAtFirst} />
    </section>
  );
}
