import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Choices, choices, choose, defaultChoices, onChoose } from "./choices";
import { readHash, withinHash } from "./host";
import {
  drawAsAtFirst,
  isDrawnAsAtFirst,
  readAddressed,
  rememberChoices,
  rememberedNames,
  writeAddressed,
} from "./remembered_choices";

const place = "tb_rnn_plugin.drawing";
let end: () => void;

beforeEach(() => {
  window.localStorage.clear();
  choices.value = defaultChoices;
  end = onChoose(rememberChoices);
});

afterEach(() => {
  vi.restoreAllMocks();
  end();
});

const linkTo = (value: Choices) => withinHash("#rnn", writeAddressed(value));
const opened = (hash: string) => readAddressed(readHash(hash));

const unusual = {
  scale: "log",
  decades: 4,
  limits: "panel",
  shared: false,
  colours: "RdBu",
  reflect: true,
  across: "channels",
  sort: "similarity",
  marginals: false,
  panels: "sample",
  axes: "row",
  zero: false,
  dots: "run",
  over: "map",
  equal: "direction",
  clip: false,
  absolute: true,
  norm: "l1",
  statistic: "0.9",
} as const satisfies Partial<Choices>;

describe("choices of how things are drawn", () => {
  it("are there again where an address leaves them open", () => {
    expect(Object.keys(unusual).sort()).toEqual([...rememberedNames].sort());
    choose(unusual);
    expect(readAddressed({})).toEqual({ ...defaultChoices, ...unusual });
    expect(readAddressed({ view: "curves", step: "7" })).toEqual({
      ...defaultChoices,
      ...unusual,
      view: "curves",
      step: 7,
    });
  });

  it("are what an address says, were it the default", () => {
    choose(unusual);
    const said = { colours: "automatic", decades: "6", zero: "on", reflect: "off", limits: "shared" };
    const { colours, decades, zero, reflect, limits } = defaultChoices;
    expect(readAddressed(said)).toEqual({ ...defaultChoices, ...unusual, colours, decades, zero, reflect, limits });
  });

  it("are those of whoever made the address, in the tab's own", () => {
    const made = [defaultChoices, { ...defaultChoices, view: "heatmap", step: 3 }, { ...defaultChoices, ...unusual }];
    const links = made.map(linkTo);
    choose({ colours: "bwr", clip: false, sort: "magnitude", decades: 2 });
    expect(links.map(opened)).toEqual(made);
  });

  it("are remembered one by one, until they are at their default again", () => {
    choose({ colours: "bwr" });
    choose({ decades: 3, step: 4 });
    expect(readAddressed({})).toEqual({ ...defaultChoices, colours: "bwr", decades: 3 });
    choose({ colours: "automatic" });
    expect(readAddressed({})).toEqual({ ...defaultChoices, decades: 3 });
    choose({ decades: 6 });
    expect(window.localStorage.length).toBe(0);
  });

  it("do not include what is looked at, nor limits that are typed", () => {
    choose({ limits: "run" });
    choose({
      view: "curves",
      runs: ["a"],
      layer: "b",
      quantity: "c",
      samples: [1],
      step: 4,
      region: { rows: [1, 2], columns: [3, 4] },
      limits: "typed",
      typed: "0.5",
      channels: "1",
      bins: 40,
    });
    expect(readAddressed({})).toEqual({ ...defaultChoices, limits: "run" });
  });

  it("are not those of a link that was opened", () => {
    choices.value = readAddressed({ colours: "bwr" });
    expect(readAddressed({})).toEqual(defaultChoices);
  });

  it("can be reset, all at once", () => {
    choose({ ...unusual, limits: "typed", typed: "0.5", step: 4, view: "curves" });
    expect(isDrawnAsAtFirst.value).toBe(false);
    drawAsAtFirst();
    expect(isDrawnAsAtFirst.value).toBe(true);
    expect(choices.value).toEqual({ ...defaultChoices, typed: "0.5", step: 4, view: "curves" });
    expect(window.localStorage.length).toBe(0);
  });
});

describe("a storage that is of no use", () => {
  it.each([
    "{",
    "null",
    "[1, null]",
    '"colours"',
    "NaN",
    '{"colours": 7, "decades": null, "sort": ["magnitude"], "shared": {}}',
    '{"colours": "jet", "decades": "NaN", "scale": "cubic", "panels": "layer", "limits": "", "statistic": "0.3"}',
    '{"version": 1, "view": "curves", "step": "7", "runs": "a", "typed": "0.5", "rest": "default"}',
  ])("changes nothing where it holds %s", (text) => {
    window.localStorage.setItem(place, text);
    expect(readAddressed({})).toEqual(defaultChoices);
    choose({ colours: "bwr" });
    expect(readAddressed({})).toEqual({ ...defaultChoices, colours: "bwr" });
  });

  const refuse = (name: string) => () => {
    throw new DOMException("no", name);
  };

  it.each([
    ["is refused", refuse("SecurityError")],
    ["is full", () => ({ getItem: () => null, setItem: refuse("QuotaExceededError") }) as unknown as Storage],
  ])("changes nothing where it %s", (_, storage) => {
    vi.spyOn(window, "localStorage", "get").mockImplementation(storage);
    choose({ colours: "bwr" });
    expect(choices.value.colours).toBe("bwr");
    expect(readAddressed({})).toEqual(defaultChoices);
    expect(opened(linkTo(choices.value))).toEqual(choices.value);
  });
});
