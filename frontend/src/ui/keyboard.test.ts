import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { onKey } from "./keyboard";

beforeEach(() => {
  document.addEventListener("keydown", onKey);
});

afterEach(() => {
  document.removeEventListener("keydown", onKey);
  document.body.replaceChildren();
});

/** Whether the key is taken from what has the focus. */
function isTaken(html: string, key: string, options: KeyboardEventInit = {}): boolean {
  document.body.innerHTML = html;
  const target = document.body.firstElementChild ?? document.body;
  return !target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options }));
}

describe("keys that work everywhere", () => {
  it("move the step and play", () => {
    for (const key of ["ArrowLeft", "ArrowRight", " "]) expect(isTaken("<canvas></canvas>", key)).toBe(true);
    expect(isTaken("<canvas></canvas>", "a")).toBe(false);
    expect(isTaken("<button></button>", "ArrowLeft")).toBe(true);
  });

  it.each(["<summary></summary>", "<button></button>", '<input type="checkbox">'])("leave space to %s", (html) => {
    expect(isTaken(html, " ")).toBe(false);
  });

  it.each(['<div role="region" tabindex="0"></div>', "<select></select>", '<input type="search">'])(
    "leave the arrows to %s",
    (html) => {
      expect(isTaken(html, "ArrowRight")).toBe(false);
      expect(isTaken(html, " ")).toBe(false);
    },
  );

  it.each(["altKey", "ctrlKey", "metaKey"])("are the browser's own with %s", (modifier) => {
    expect(isTaken("<canvas></canvas>", "ArrowLeft", { [modifier]: true })).toBe(false);
  });
});
