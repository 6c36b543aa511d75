/** Leads to the place in another view where a finding is seen. */

import { choices, choose } from "../../state/choices";
import { type PlaceLink } from "../../state/health";
import { keepInHistory } from "../../state/host";

export function goTo({ view, run, layer, quantity, step }: PlaceLink): void {
  keepInHistory({ view: choices.value.view });
  choose({ view, runs: [run], layer, quantity, step, earlier: null, minus: null });
}

/** As it stands on the tab. */
export function viewLabel({ view }: PlaceLink): string {
  return view.charAt(0).toUpperCase() + view.slice(1);
}
