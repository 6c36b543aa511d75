/** Leads to the place in another view where a finding is seen. */

import { choices } from "../../state/choices";
import { type PlaceLink } from "../../state/health";
import { keepInHistory } from "../../state/host";
import { chooseLayer } from "../../state/region";

export function goTo({ view, run, layer, quantity, step }: PlaceLink): void {
  keepInHistory({ view: choices.value.view });
  // Where it was found may be outside of what was in sight.
  const everything = { region: null, regions: {} };
  chooseLayer(layer, { view, runs: [run], quantity, step, earlier: null, minus: null, ...everything });
}

/** As it stands on the tab. */
export function viewLabel({ view }: PlaceLink): string {
  return view.charAt(0).toUpperCase() + view.slice(1);
}
