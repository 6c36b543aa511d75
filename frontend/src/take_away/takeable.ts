/** What of a view can be taken away: each panel says what it is, and hands over its numbers when it is asked to. */

import { type RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Table } from "./table";

export interface Takeable {
  /** As it stands in the list of panels: "lstm, sample 0". */
  name: string;
  /** Above its figure: what is not written on the panel itself. */
  title: string;
  /** Of which the file's name is made. */
  fileParts: readonly string[];
  numbers: () => Promise<Table>;
}

const known = new WeakMap<Element, () => Takeable>();

/** For the element of a panel. The screen is the list of panels: of hundreds only those in sight are there. */
export function useTakeable<T extends HTMLElement>(make: () => Takeable): RefObject<T | null> {
  const place = useRef<T>(null);
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    known.set(element, make);
    // Set anew it would be a change of the page, at every step.
    element.dataset.takeable ??= "";
  });
  return place;
}

/** The panel that an element belongs to. */
export function panelAround(element: Element): Element | null {
  return element.closest("[data-takeable]");
}

export function takeableOf(element: Element): Takeable | null {
  return known.get(element)?.() ?? null;
}

/** The panels within an element, from the first to the last. */
export function takeableElements(root: ParentNode): Element[] {
  return [...root.querySelectorAll("[data-takeable]")].filter((element) => known.has(element));
}
