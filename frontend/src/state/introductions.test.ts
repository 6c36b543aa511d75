import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetVisit, isIntroduced, setIntroduced } from "./introductions";

beforeEach(() => {
  window.localStorage.clear();
  forgetVisit();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("introductions", () => {
  it("are dismissed view by view, and stay so at the next visit", () => {
    expect(isIntroduced("heatmap")).toBe(false);
    setIntroduced("heatmap", true);
    forgetVisit();
    expect(isIntroduced("heatmap")).toBe(true);
    expect(isIntroduced("curves")).toBe(false);
    setIntroduced("heatmap", false);
    forgetVisit();
    expect(isIntroduced("heatmap")).toBe(false);
  });

  it("are dismissed until the next visit where the browser refuses its storage", () => {
    const refuse = () => {
      throw new DOMException("The document is sandboxed", "SecurityError");
    };
    vi.spyOn(window, "localStorage", "get").mockImplementation(refuse);
    expect(isIntroduced("heatmap")).toBe(false);
    setIntroduced("heatmap", true);
    expect(isIntroduced("heatmap")).toBe(true);
    vi.restoreAllMocks();
  });

  it.each(["{", '{"heatmap": true}', "[1, null]", "null"])("are there where the storage holds %s", (text) => {
    window.localStorage.setItem("tb_rnn_plugin.introduced", text);
    expect(isIntroduced("heatmap")).toBe(false);
  });
});
