import { describe, expect, it } from "vitest";
import { ArrayCache } from "./array_cache";
import { mergedOrder } from "./catalogue";
import { scaleOver, sortMatrices } from "./panels";
import { nearestStep, neighbour, unionOfSteps } from "./steps";
import { columnsToAsk } from "./array_layouts";

describe("steps of several runs", () => {
  it("are united in order", () => {
    expect(unionOfSteps([[0, 50, 100], [0, 40, 80], []])).toEqual([0, 40, 50, 80, 100]);
  });

  it("are matched like by brute force, the earlier of two equally near", () => {
    const steps = [3, 10, 14, 50, 51, 1000];
    for (let step = -5; step < 1100; step++) {
      const nearest = steps.reduce((best, s) => (Math.abs(s - step) < Math.abs(best - step) ? s : best));
      expect(nearestStep(steps, step)).toBe(nearest);
    }
    expect(nearestStep([], 5)).toBeNull();
  });

  it("have neighbours, and ends", () => {
    expect(neighbour([0, 10, 20], 10, 1)).toBe(20);
    expect(neighbour([0, 10, 20], 15, -1)).toBe(10);
    expect(neighbour([0, 10, 20], 20, 1)).toBe(20);
    expect(neighbour([], 0, 1)).toBeNull();
  });
});

describe("layers of several runs", () => {
  it("keep the model's order", () => {
    expect(mergedOrder([["a", "c"], ["a", "b", "c", "d"], ["z"]])).toEqual(["a", "b", "c", "d", "z"]);
  });

  it("have their matrices in reading order", () => {
    const names = ["backward/bias", "forward/bias", "forward/recurrent_kernel", "backward/kernel", "forward/kernel"];
    expect(sortMatrices([...names, "forward/bias"])).toEqual([
      "forward/kernel",
      "forward/recurrent_kernel",
      "forward/bias",
      "backward/kernel",
      "backward/bias",
    ]);
  });
});

describe("what is asked of the server", () => {
  it("never pools channels of two directions into one column", () => {
    for (const [units, room] of [
      [300, 256],
      [301, 256],
      [512, 256],
      [48, 256],
      [600, 512],
    ]) {
      const asked = columnsToAsk(2 * units, room, units);
      if (asked === null) continue;
      const block = Math.ceil((2 * units) / asked);
      expect(units % block).toBe(0);
    }
    expect(columnsToAsk(600, 512, 300)).toBe(300);
    expect(columnsToAsk(602, 512, 301)).toBeNull();
    expect(columnsToAsk(1000, 512, null)).toBe(512);
    expect(columnsToAsk(500, 512, null)).toBeNull();
  });
});

describe("a scale over several arrays", () => {
  it("reaches to the largest finite magnitude and ignores arrays without one", () => {
    const scale = scaleOver(
      [
        { low: -3, high: 2 },
        { low: null, high: null },
        { low: 1, high: 1.5 },
      ],
      "symlog",
      6,
    );
    expect([scale.low, scale.high, scale.limit]).toEqual([-3, 2, 3]);
    expect(scaleOver([], "linear", 6).limit).toBe(0);
  });
});

describe("the cache", () => {
  it("drops what was longest unused once over its budget", () => {
    const cache = new ArrayCache<string>(100, () => false);
    cache.set("a", "A", 40);
    cache.set("b", "B", 40);
    expect(cache.get("a")).toBe("A");
    cache.set("c", "C", 40);
    expect([cache.has("a"), cache.has("b"), cache.has("c")]).toEqual([true, false, true]);
    cache.set("c", "C2", 60);
    expect(cache.get("a")).toBe("A");
    cache.set("huge", "H", 1000);
    expect([cache.has("a"), cache.has("huge")]).toEqual([false, true]);
  });

  it("drops nothing that is needed, however much it is", () => {
    const cache = new ArrayCache<string>(100, (key) => key.startsWith("needed"));
    for (const key of ["needed 1", "a", "needed 2", "b", "needed 3"]) cache.set(key, key, 60);
    expect(["needed 1", "a", "needed 2", "b", "needed 3"].map((key) => cache.has(key))).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
  });
});
