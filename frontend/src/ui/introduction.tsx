/** What a view is for: shown at the first visit, and again by the button beside the tabs. */

import { choices } from "../state/choices";
import { isIntroduced, setIntroduced } from "../state/introductions";
import { viewNamed } from "../views/registry";

const place = "introduction";

/** Beside the tabs. */
export function IntroductionButton() {
  const { name, label } = viewNamed(choices.value.view);
  const isShown = !isIntroduced(name);
  return (
    <button
      type="button"
      class="explain"
      aria-label="What am I looking at?"
      title={`What am I looking at? The question that ${label} answers, and how to read it`}
      aria-expanded={isShown}
      aria-controls={isShown ? place : undefined}
      onClick={() => {
        setIntroduced(name, isShown);
      }}
    >
      ?
    </button>
  );
}

export function Introduction() {
  const { name, introduction } = viewNamed(choices.value.view);
  if (isIntroduced(name)) return null;
  return (
    <section id={place} class="introduction" aria-label="What am I looking at?">
      <p>
        <strong>{introduction.question}</strong> {introduction.reading}
      </p>
      <button
        type="button"
        title="Do not show this again in this browser; the ? beside the tabs brings it back"
        onClick={() => {
          setIntroduced(name, true);
        }}
      >
        Got it
      </button>
    </section>
  );
}
