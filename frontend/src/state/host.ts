/**
 * TensorBoard around us. The page is a same-origin iframe of it, but may also stand alone or in a notebook that forbids
 * looking out, so everything here is tried and has a fallback.
 */

import { signal } from "@preact/signals";

interface Storage {
  setString(key: string, value: string, options: { defaultValue: string; useLocationReplace: boolean }): void;
}

interface TensorBoardWindow extends Window {
  tensorboard?: { tf_storage?: Storage };
}

const prefix = "p.rnn.";

export const dark = signal(false);

/** The window around us, or null when there is none that we may look into. */
function hostWindow(): TensorBoardWindow | null {
  try {
    if (window.parent === window) return null;
    // Reading the hash throws when the parent is of another origin.
    return typeof window.parent.location.hash === "string" ? window.parent : null;
  } catch {
    return null;
  }
}

/** TensorBoard keeps the address where it is there; else the page's own does. */
function addressWindow(): TensorBoardWindow {
  const host = hostWindow();
  return host?.tensorboard === undefined ? window : host;
}

function pairsOf(hash: string): [string, string][] {
  return hash
    .replace(/^#/, "")
    .split("&")
    .map((pair): [string, string] => {
      const [key, ...value] = pair.split("=");
      return [key, value.join("=")];
    });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What a hash like "#rnn&p.rnn.step=7" says to us. */
export function readHash(hash: string): Record<string, string> {
  const ours = pairsOf(hash).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(ours.map(([key, value]) => [key.slice(prefix.length), decoded(value)]));
}

/** The hash with our values in it; "" takes one out. */
export function withinHash(hash: string, values: Record<string, string>): string {
  const others = pairsOf(hash).filter(([key]) => key !== "" && !(key.startsWith(prefix) && key.slice(6) in values));
  const kept = others.map(([key, value]) => (value === "" ? key : `${key}=${value}`));
  const ours = Object.entries(values).filter(([, value]) => value !== "");
  return `#${[...kept, ...ours.map(([key, value]) => `${prefix}${key}=${encodeURIComponent(value)}`)].join("&")}`;
}

export function readAddress(): Record<string, string> {
  return readHash(addressWindow().location.hash);
}

/** Whether the address is about another of TensorBoard's tabs. */
export function isElsewhere(): boolean {
  const host = hostWindow();
  return host?.tensorboard !== undefined && !/^#rnn(&|$)/.test(host.location.hash);
}

let isNextKept = false;

/** Before a leap to another place: the browser's Back will lead here again, where the address says this much at least. */
export function keepInHistory(values: Record<string, string>): void {
  writeAddress(values);
  isNextKept = true;
}

export function writeAddress(values: Record<string, string>): void {
  const present = readAddress();
  const changed = Object.entries(values).filter(([key, value]) => (present[key] ?? "") !== value);
  if (changed.length === 0 || isElsewhere()) return;
  const isKept = isNextKept;
  isNextKept = false;
  const storage = hostWindow()?.tensorboard?.tf_storage;
  if (storage !== undefined) {
    changed.forEach(([key, value], i) => {
      // The first makes the new entry, the others fill it.
      storage.setString(prefix + key, value, { defaultValue: "", useLocationReplace: !isKept || i > 0 });
    });
    return;
  }
  // <base href> points into the plugin's routes: a bare "#…" would lead there.
  const page = window.location.href.split("#")[0];
  const address = page + withinHash(window.location.hash, values);
  if (isKept) window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
}

/** The whole address, with our values in place of what it says now. */
export function addressWith(values: Record<string, string>): string {
  const { href, hash } = addressWindow().location;
  return href.split("#")[0] + withinHash(hash === "" ? "#rnn" : hash, values);
}

export function onAddressChange(listener: () => void): () => void {
  const around = addressWindow();
  around.addEventListener("hashchange", listener);
  return () => {
    around.removeEventListener("hashchange", listener);
  };
}

/** Follows TensorBoard's own switch; prefers-color-scheme only where there is no TensorBoard around. */
export function watchTheme(): () => void {
  const body = hostWindow()?.document.body;
  if (body === undefined) {
    const preference = window.matchMedia("(prefers-color-scheme: dark)");
    const follow = () => {
      dark.value = preference.matches;
    };
    follow();
    preference.addEventListener("change", follow);
    return () => {
      preference.removeEventListener("change", follow);
    };
  }
  const read = () => {
    dark.value = body.classList.contains("dark-mode");
  };
  read();
  const observer = new MutationObserver(read);
  observer.observe(body, { attributes: true, attributeFilter: ["class"] });
  return () => {
    observer.disconnect();
  };
}

/** TensorBoard tells its plugins when it reloaded its data, over a channel that the plugin has to offer. */
export function onDataReloaded(listener: () => void): void {
  if (window.parent === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event: MessageEvent<string>) => {
    const message = JSON.parse(event.data) as { type: string; id: number; isReply: boolean };
    if (message.isReply) return;
    port1.postMessage(
      JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }),
    );
    if (message.type === "experimental.DataReloaded") listener();
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}

/** A hidden tab of TensorBoard stays alive with no height; it must not poll. */
export function isVisible(): boolean {
  return !document.hidden && window.innerHeight > 0;
}
