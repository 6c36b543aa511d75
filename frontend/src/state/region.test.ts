import { beforeEach, describe, expect, it } from "vitest";
import { snapped } from "./array_layouts";
import { index } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { chooseLayer, covers, regionOf, showWhole, showWholeMatrices, sightWithin, zoomedMatrices } from "./region";

function see(rows: [number, number], columns: [number, number]): void {
  choices.value = { ...defaultChoices, region: { rows, columns } };
}

const whole = {
  rowSpan: [0, 19],
  columnSpan: [0, 7],
  fullRows: 20,
  fullColumns: 8,
  split: 4,
  reflected: false,
} as const;

describe("what is in sight of an array", () => {
  beforeEach(() => {
    choices.value = defaultChoices;
  });

  it("is everything at first", () => {
    expect(sightWithin(null, 20, 8)).toBeNull();
    expect(covers(null, whole, false)).toBe(true);
    expect(covers(null, { ...whole, columnSpan: [0, 6] }, false)).toBe(false);
  });

  it("is as much of the region as the array has", () => {
    see([5, 30], [2, 9]);
    expect(sightWithin(null, 20, 8)).toEqual({ rows: [5, 19], columns: [2, 7] });
    expect(sightWithin(null, 99, 99)).toEqual({ rows: [5, 30], columns: [2, 9] });
    see([0, 30], [0, 9]);
    expect(sightWithin(null, 20, 8)).toBeNull();
  });

  it("is covered by a region around it", () => {
    see([5, 10], [2, 6]);
    expect(covers(null, { ...whole, rowSpan: [5, 10], columnSpan: [2, 6] }, false)).toBe(true);
    expect(covers(null, { ...whole, rowSpan: [6, 10], columnSpan: [2, 6] }, false)).toBe(false);
    expect(covers(null, { ...whole, rowSpan: [5, 10], columnSpan: [3, 6] }, false)).toBe(false);
  });

  it("is other timesteps of the backward half once it is reflected", () => {
    see([5, 10], [4, 6]);
    const part = { ...whole, rowSpan: [4, 12], columnSpan: [4, 7] } as const;
    // Places 5 to 10 of 20 are timesteps 9 to 14.
    expect(covers(null, part, true)).toBe(false);
    expect(covers(null, { ...part, rowSpan: [9, 14] }, true)).toBe(true);
    expect(covers(null, { ...part, reflected: true }, true)).toBe(true);
    expect(covers(null, { ...part, reflected: true }, false)).toBe(false);
    see([5, 10], [0, 3]);
    expect(covers(null, { ...whole, rowSpan: [5, 10], columnSpan: [0, 3] }, true)).toBe(true);
  });
});

describe("what is in sight of a matrix", () => {
  const kernel = { rows: [1, 3], columns: [8, 15] } as const;
  const bias = { rows: [0, 0], columns: [2, 5] } as const;

  beforeEach(() => {
    choices.value = { ...defaultChoices, regions: { "forward/kernel": kernel, "backward/bias": bias } };
  });

  it("is its own region: no other matrix's, and not that of the sequences", () => {
    expect(sightWithin("forward/kernel", 5, 32)).toEqual(kernel);
    expect(sightWithin("backward/bias", 1, 32)).toEqual(bias);
    expect(sightWithin("backward/kernel", 5, 32)).toBeNull();
    expect(sightWithin(null, 5, 32)).toBeNull();
    choices.value = { ...choices.value, region: { rows: [0, 1], columns: [0, 1] } };
    expect(sightWithin("backward/kernel", 5, 32)).toBeNull();
    expect(sightWithin("forward/kernel", 5, 32)).toEqual(kernel);
  });

  it("is as much of it as this run's matrix has", () => {
    expect(sightWithin("forward/kernel", 5, 12)).toEqual({ rows: [1, 3], columns: [8, 11] });
    const array = { ...whole, fullRows: 5, fullColumns: 12, split: null };
    expect(covers("forward/kernel", { ...array, rowSpan: [1, 3], columnSpan: [8, 11] }, true)).toBe(true);
    expect(covers("forward/kernel", { ...array, rowSpan: [1, 3], columnSpan: [9, 11] }, true)).toBe(false);
    expect(covers("backward/kernel", { ...array, rowSpan: [1, 3], columnSpan: [8, 11] }, true)).toBe(false);
  });

  it("is all of it again by itself, or with all others", () => {
    expect(zoomedMatrices.value).toEqual(["forward/kernel", "backward/bias"]);
    showWhole("forward/kernel");
    expect(regionOf("forward/kernel")).toBeNull();
    expect(regionOf("backward/bias")).toEqual(bias);
    showWholeMatrices();
    expect(zoomedMatrices.value).toEqual([]);
    expect(choices.value).toEqual(defaultChoices);
  });
});

describe("what is in sight of a layer", () => {
  it("is everything of another, and stays with the same one", () => {
    const layerNamed = (name: string) => {
      const own = { layer: name, cell: null, units: null, directions: [], gates: [], space: [], framework: null };
      return { ...own, quantities: [] };
    };
    const layers = ["encoder", "decoder"].map(layerNamed);
    const runs = [{ run: "a", position: 0, layers }];
    index.value = { version: "", revision: "", experiment_has_runs: true, runs };
    const region = { rows: [1, 3], columns: [8, 15] } as const;
    choices.value = { ...defaultChoices, region, regions: { "forward/kernel": region } };
    // The first layer is the one that is looked at, though nobody chose it.
    chooseLayer("encoder", { step: 7 });
    expect(choices.value).toMatchObject({ layer: "encoder", step: 7, region, regions: { "forward/kernel": region } });
    chooseLayer("decoder", { step: 8 });
    expect(choices.value).toMatchObject({ layer: "decoder", step: 8, region: null, regions: {} });
    index.value = null;
  });
});

describe("what is fetched of it", () => {
  it("is the same for a small move, holds what is in sight, and little more", () => {
    for (let length = 1; length < 70; length++) {
      for (let first = 0; first + length <= 200; first += 7) {
        const [from, to] = snapped([first, first + length - 1], 200);
        expect(from).toBeLessThanOrEqual(first);
        expect(to).toBeGreaterThanOrEqual(first + length - 1);
        expect(from >= 0 && to < 200).toBe(true);
        expect(to - from + 1).toBeLessThanOrEqual(Math.max(3, 1.5 * length + 2));
      }
    }
    expect(snapped([97, 160], 4096)).toEqual(snapped([99, 162], 4096));
  });
});
