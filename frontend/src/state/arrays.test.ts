import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { areArraysExact, arrivals, isEverythingThere, watchArrays } from "./arrays";
import { index, polls } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { needs, usualNeeds } from "./needs";
import { panels } from "./panels";
import { problem } from "./problems";
import { watchSeries } from "./series";
import { setPanelPixels, wantedAt } from "./wanted";

vi.mock("./array_cache", async (importOriginal) => {
  const { ArrayCache } = await importOriginal<typeof import("./array_cache")>();
  // In bytes: little more than two arrays of these tests.
  const budget = 150;
  class SmallCache<T> extends ArrayCache<T> {
    constructor(_: number, isNeeded: (key: string) => boolean) {
      super(budget, isNeeded);
    }
  }
  return { ArrayCache: SmallCache };
});

const layer = "l";
const steps = [0, 10, 20, 30];
/** Four timesteps of four channels: 64 bytes. */
const [timesteps, channels] = [4, 4];
/** "run step" of each array that was asked for, a list for each request. */
let asked: string[][] = [];
let refusedSteps: number[] = [];
/** What was asked for waits for this. */
let gate: Promise<void> = Promise.resolve();

function arraysFor(query: URLSearchParams): ArrayBuffer {
  const stepsAsked = query.getAll("step");
  const own = query.getAll("run").map((run, i) => ({ run, step: Number(stepsAsked[i]) }));
  const bytes = 4 * timesteps * channels;
  const arrays = own.map(({ run, step }, i) => ({
    ...{ run, step, layer, quantity: query.get("quantity"), wall_time: 1, sample: 0, matrix: null },
    ...{ shape: [timesteps, channels], full_shape: [timesteps, channels], row_block: 1, column_block: 1 },
    ...{ first_row: 0, rows: timesteps, first_column: 0, columns: channels, split: null, reflected: false },
    ...{ order: null, channels: null, dtype: "float32", nan: 0, inf: 0, low: 0, high: 0, largest_channel_norm: null },
    ...{ offset: i * bytes, bytes, marginals: null, channel_norms: null },
  }));
  let json = JSON.stringify({ arrays, missing: [] });
  json += " ".repeat(8 - ((4 + json.length) % 8));
  const answer = new Uint8Array(4 + json.length + own.length * bytes);
  new DataView(answer.buffer).setUint32(0, json.length, true);
  answer.set(new TextEncoder().encode(json), 4);
  return answer.buffer;
}

function answer(address: string): Response {
  const [route, text] = address.split("?");
  const query = new URLSearchParams(text);
  const runs = query.getAll("run");
  if (route === "series") {
    const times = steps.map(() => 1);
    const along = {
      steps,
      wall_times: times,
      array_steps: steps,
      array_wall_times: times,
      nan: [],
      inf: [],
      largest: [],
    };
    const shapes = steps.map(() => [1, timesteps, channels]);
    const own = { layer, quantity: query.get("quantity"), shapes, samples_kept: steps.map(() => 1), ...along };
    return Response.json({ series: runs.map((run) => ({ run, ...own })), missing: [] });
  }
  asked.push(runs.map((run, i) => `${run} ${query.getAll("step")[i]}`));
  if (query.getAll("step").some((step) => refusedSteps.includes(Number(step)))) {
    return Response.json({ error: "the disk is on fire" }, { status: 500 });
  }
  return new Response(arraysFor(query));
}

function offer(names: string[]): void {
  const quantity = { quantity: "output_gradient", kind: "sequence" as const, last_step: 30, last_wall_time: 1 };
  const own = { layer, cell: "gru", units: 4, directions: ["forward"], gates: [], space: [], framework: null };
  const runs = names.map((run, position) => ({ run, position, layers: [{ ...own, quantities: [quantity] }] }));
  index.value = { version: "", revision: `arrays ${names.join()}`, experiment_has_runs: true, runs };
  polls.value++;
}

/** Everything is there, and nothing more comes. */
async function rest(): Promise<void> {
  await vi.waitFor(() => {
    expect(panels.value.length).toBeGreaterThan(0);
    expect(isEverythingThere()).toBe(true);
  });
  await quiet();
}

/** Until some moments have brought no request. */
async function quiet(): Promise<void> {
  for (let moments = 0, before = asked.length; moments < 5; moments++) {
    await new Promise((done) => setTimeout(done));
    if (asked.length !== before) moments = 0;
    before = asked.length;
  }
}

let besides = (): ReturnType<typeof wantedAt> => [];
const ends: (() => void)[] = [];

beforeEach(() => {
  vi.stubGlobal("fetch", async (address: string) => {
    const found = answer(address);
    await gate;
    // Who asks without end is answered no more.
    return asked.length > 20 ? new Promise(() => null) : found;
  });
  gate = Promise.resolve();
  choices.value = defaultChoices;
  needs.value = usualNeeds;
  setPanelPixels({ width: 500, height: 500 });
  asked = [];
  refusedSteps = [];
  besides = () => [];
  ends.push(
    watchSeries(),
    watchArrays(() => besides()),
  );
});

afterEach(() => {
  ends.splice(0).forEach((end) => {
    end();
  });
  vi.unstubAllGlobals();
});

describe("arrays", () => {
  it("that the screen needs are kept, however many, and asked for once", async () => {
    offer(["a", "b", "c", "d"]);
    await rest();
    expect(asked).toEqual([["a 30", "b 30", "c 30", "d 30"]]);
    expect(areArraysExact()).toBe(true);
  });

  it("fetched ahead push out none that the screen needs, and are not asked for over and over", async () => {
    besides = () => [0, 10, 20].flatMap((step) => wantedAt(step));
    offer(["e", "f"]);
    await rest();
    expect(asked[0]).toEqual(["e 30", "f 30"]);
    expect(asked.flat().filter((one) => one.endsWith("30"))).toHaveLength(2);
    expect(asked).toHaveLength(4);
  });

  it("on their way ahead are not asked for a second time when they are wanted", async () => {
    offer(["j"]);
    await rest();
    let open: () => void = () => undefined;
    gate = new Promise((done) => {
      open = done;
    });
    besides = () => wantedAt(20);
    polls.value++;
    choices.value = { ...choices.value, step: 20 };
    await quiet();
    open();
    await rest();
    expect(asked).toEqual([["j 30"], ["j 20"]]);
    expect(panels.value.map(({ array }) => array?.step)).toEqual([20]);
  });

  it("refused ahead are no problem, and asked for again once they are wanted", async () => {
    besides = () => wantedAt(20);
    refusedSteps = [20];
    offer(["g"]);
    await rest();
    expect([asked, problem.value]).toEqual([[["g 30"], ["g 20"]], null]);
    refusedSteps = [];
    choices.value = { ...choices.value, step: 20 };
    await rest();
    expect(asked.slice(2)).toEqual([["g 20"]]);
  });

  it("refused are a problem only as long as they are wanted", async () => {
    offer(["h"]);
    await rest();
    refusedSteps = [10];
    choices.value = { ...choices.value, step: 10 };
    await vi.waitFor(() => {
      expect(problem.value).toBe("the disk is on fire");
    });
    choices.value = { ...choices.value, step: 30 };
    expect(problem.value).toBeNull();
    // Left before the refusal has come.
    refusedSteps = [0];
    choices.value = { ...choices.value, step: 0 };
    choices.value = { ...choices.value, step: 30 };
    await quiet();
    expect([asked.at(-1), problem.value]).toEqual([["h 0"], null]);
  });

  it("refused stay a problem when others come", async () => {
    besides = () => wantedAt(20);
    refusedSteps = [30];
    offer(["j"]);
    await vi.waitFor(() => {
      expect(asked).toEqual([["j 30"], ["j 20"]]);
    });
    await quiet();
    expect(problem.value).toBe("the disk is on fire");
  });

  it("of another step are drawn until the chosen one's have come", async () => {
    offer(["i"]);
    await rest();
    choices.value = { ...choices.value, step: 0 };
    expect(panels.value.map(({ array, stale }) => [array?.step, stale])).toEqual([[30, true]]);
    await rest();
    expect(arrivals.value).toBeGreaterThan(0);
    expect(panels.value.map(({ array, stale }) => [array?.step, stale])).toEqual([[0, false]]);
  });
});
