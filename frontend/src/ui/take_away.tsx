/** Takes what is on the screen away: as a picture, as numbers, as a link. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { layerName, quantity, selectedRuns } from "../state/catalogue";
import { choices } from "../state/choices";
import { linkToScreen } from "../state/link";
import { snappedStep } from "../state/series";
import { csvOf } from "../take_away/csv";
import { type Figure } from "../take_away/figure";
import { fileName } from "../take_away/file_name";
import { npyOf } from "../take_away/npy";
import { pngOf } from "../take_away/png";
import { save } from "../take_away/save";
import { panelAround, takeableElements, takeableOf } from "../take_away/takeable";
import { panelFigure, viewFigure } from "../take_away/view_figure";
import { viewNamed } from "../views/registry";
import { Icon } from "./icons";

const formats = {
  PNG: "as a picture, with twice the pixels of the screen",
  SVG: "as a drawing with text and lines that stay sharp",
  CSV: "as text: every value of the panel, not pooled",
  NPY: "for numpy.load: every value of the panel, not pooled",
} as const;
type Format = keyof typeof formats;

function view(): HTMLElement | null {
  return document.querySelector<HTMLElement>("#view .view");
}

const mostRunsNamed = 3;

function viewParts(): string[] {
  const runs = selectedRuns.value.map(({ run }) => run);
  return [
    viewNamed(choices.value.view).name,
    runs.length > mostRunsNamed ? `${runs.length} runs` : runs.join("+"),
    layerName.value ?? "",
    quantity.value?.quantity ?? "",
    `step${snappedStep.value ?? ""}`,
  ];
}

async function pictureOf(figure: Figure, format: "PNG" | "SVG"): Promise<Blob> {
  return format === "PNG" ? pngOf(figure) : new Blob([figure.svg], { type: "image/svg+xml" });
}

async function take(format: Format, panel: Element | null): Promise<void> {
  const whole = view();
  const takeable = panel === null ? null : takeableOf(panel);
  const name = fileName(takeable?.fileParts ?? viewParts(), format.toLowerCase());
  if (format === "PNG" || format === "SVG") {
    if (whole === null) return;
    save(name, await pictureOf(panel === null ? viewFigure(whole) : panelFigure(whole, panel), format));
  } else if (takeable !== null) {
    const table = await takeable.numbers();
    save(name, new Blob([format === "CSV" ? csvOf(table) : npyOf(table)]));
  }
}

interface Listed {
  element: Element;
  name: string;
}

function listPanels(): Listed[] {
  const root = view();
  const elements = root === null ? [] : takeableElements(root);
  return elements.map((element) => ({ element, name: takeableOf(element)?.name ?? "" }));
}

/** The panel that has the focus, by a click or a key, is the one that is meant; in another view there is none. */
function useChosenPanel(): { panels: Signal<Listed[]>; chosen: Signal<Element | null> } {
  const panels = useSignal<Listed[]>([]);
  const chosen = useSignal<Element | null>(null);
  useEffect(() => {
    const listen = (event: FocusEvent) => {
      const panel = event.target instanceof Element ? panelAround(event.target) : null;
      if (panel === null) return;
      panels.value = listPanels();
      chosen.value = panel;
    };
    document.addEventListener("focusin", listen);
    return () => {
      document.removeEventListener("focusin", listen);
    };
  }, []);
  const { view: shown } = choices.value;
  useEffect(() => {
    panels.value = [];
    chosen.value = null;
  }, [shown]);
  return { panels, chosen };
}

function What({ panels, chosen }: ReturnType<typeof useChosenPanel>) {
  const refresh = () => {
    panels.value = listPanels();
  };
  const at = panels.value.findIndex(({ element }) => element === chosen.value);
  return (
    <select
      aria-label="What to download"
      title="The whole view or one of its panels; a click into a panel chooses it too"
      value={String(at)}
      onFocus={refresh}
      onPointerDown={refresh}
      onChange={(event) => {
        chosen.value = panels.value.at(Number(event.currentTarget.value))?.element ?? null;
        if (event.currentTarget.value === "-1") chosen.value = null;
      }}
    >
      <option value="-1" selected={at < 0}>
        whole view
      </option>
      {panels.value.map(({ name }, i) => (
        <option key={`${i} ${name}`} value={String(i)} selected={i === at}>
          {name}
        </option>
      ))}
    </select>
  );
}

function CopyLink({ say }: { say: (text: string) => void }) {
  const copy = async () => {
    const link = linkToScreen();
    try {
      await navigator.clipboard.writeText(link);
      say("Link copied");
    } catch {
      // A page over plain HTTP has no clipboard.
      say(link);
    }
  };
  return (
    <button
      type="button"
      onClick={() => void copy()}
      title="Copy an address that brings back exactly this: runs, layer, step, scale and all else that is chosen"
    >
      Copy link
    </button>
  );
}

export function TakeAway() {
  const { panels, chosen } = useChosenPanel();
  const said = useSignal("");
  const say = (text: string) => {
    said.value = text;
  };
  const panel = chosen.value;
  const download = async (format: Format) => {
    say("");
    if (panel?.isConnected === false) {
      chosen.value = null;
      say("That panel is no longer there: choose another.");
      return;
    }
    try {
      await take(format, panel);
    } catch (error) {
      say(`Not saved: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return (
    <div class="take-away" role="group" aria-label="Download">
      <Icon name="download" />
      <What panels={panels} chosen={chosen} />
      {Object.entries(formats).map(([format, title]) => {
        const needsPanel = panel === null && (format === "CSV" || format === "NPY");
        return (
          <button
            key={format}
            type="button"
            disabled={needsPanel}
            title={needsPanel ? `Choose a panel first: ${format} holds the numbers of one` : `Download ${title}`}
            onClick={() => void download(format as Format)}
          >
            {format}
          </button>
        );
      })}
      <CopyLink say={say} />
      <span class="hint said" role="status">
        {said.value}
      </span>
    </div>
  );
}
