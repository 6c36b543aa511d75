import { afterEach, expect, it, vi } from "vitest";
import { dark, watchTheme } from "./host";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("follows the browser's preference where no TensorBoard is around, until it is told to stop", () => {
  const preference = Object.assign(new EventTarget(), { matches: false });
  const change = (matches: boolean) => {
    preference.matches = matches;
    preference.dispatchEvent(new Event("change"));
  };
  vi.stubGlobal("matchMedia", () => preference);
  const stop = watchTheme();
  expect(dark.value).toBe(false);
  change(true);
  expect(dark.value).toBe(true);
  stop();
  change(false);
  expect(dark.value).toBe(true);
});
