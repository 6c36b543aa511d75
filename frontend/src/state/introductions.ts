/** Which views have explained themselves, and need not again: remembered by the browser, not in the address. */

import { signal } from "@preact/signals";

const place = "tb_rnn_plugin.introduced";

/** Without storage, as in a frame of another site, or with nothing sensible in it, every visit is the first. */
function remembered(): string[] {
  try {
    const found: unknown = JSON.parse(window.localStorage.getItem(place) ?? "[]");
    return Array.isArray(found) ? found.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

function remember(names: readonly string[]): void {
  try {
    window.localStorage.setItem(place, JSON.stringify(names));
  } catch {
    // It is dismissed until the page is loaded again.
  }
}

const dismissed = signal<readonly string[] | null>(null);

export function isIntroduced(view: string): boolean {
  return (dismissed.value ?? remembered()).includes(view);
}

/** Whether a view explains itself from now on. */
export function setIntroduced(view: string, introduced: boolean): void {
  const others = (dismissed.peek() ?? remembered()).filter((name) => name !== view);
  dismissed.value = introduced ? [...others, view] : others;
  remember(dismissed.value);
}

/** As after the page was loaded: what the browser remembers counts. */
export function forgetVisit(): void {
  dismissed.value = null;
}
