/** A word in a sentence that leads to another view. */

import { choose } from "../state/choices";

export function ViewLink({ view, children }: { view: string; children: string }) {
  return (
    <button
      type="button"
      class="inline-link"
      title="Go to that view, with what is chosen here"
      onClick={() => {
        choose({ view });
      }}
    >
      {children}
    </button>
  );
}
