/** What a panel is called where it is taken away: in the list, above its figure, in the name of a file. */

import { type LoadedArray } from "../state/arrays";
import { type ShownRun } from "../state/catalogue";
import { columnName, nameAmongOthers, stepText } from "../state/columns";
import { quantityPhrase } from "../state/names";
import { type Takeable } from "./takeable";

export type PanelWords = Pick<Takeable, "name" | "title" | "fileParts">;

/** "lstm, sample 0"; "lstm, step 30, encoder output gradient, sample 0"; lstm, encoder, output_gradient, step30, sample0. */
export function panelWords(run: ShownRun, array: LoadedArray, item: string): PanelWords {
  const { layer, quantity } = array;
  const step = stepText(array);
  return {
    name: `${nameAmongOthers(run, array)}, ${item}`,
    title: `${columnName(run)}, ${step}, ${layer} ${quantityPhrase(quantity)}, ${item}`,
    fileParts: [columnName(run), layer, quantity, step.replaceAll("step ", "step"), item.replaceAll(" ", "")],
  };
}
