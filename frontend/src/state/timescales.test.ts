import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { index, polls } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { needs } from "./needs";
import { playing } from "./playback";
import { keptSteps, watchSeries } from "./series";
import { areTimescalesThere, watchTimescales, wishTimescales } from "./timescales";

const layer = "l";
let arraySteps: number[] = [];
/** The steps for which timescales were asked. */
const asked: (string | null)[] = [];
/** What is asked for waits for this. */
let gate: Promise<void> = Promise.resolve();

async function answer(address: string): Promise<Response> {
  const [route, text] = address.split("?");
  const query = new URLSearchParams(text);
  const step = query.get("step");
  if (route === "timescales") {
    asked.push(step);
    await gate;
    return Response.json({ timescales: [], missing: [{ run: "a", layer, reason: "none" }] });
  }
  const times = arraySteps.map(() => 1);
  const own = { run: "a", layer, quantity: "bptt_gradient", shapes: null, samples_kept: null, nan: [], inf: [] };
  const steps = { steps: arraySteps, wall_times: times, array_steps: arraySteps, array_wall_times: times, largest: [] };
  return Response.json({ series: [{ ...own, ...steps }], missing: [] });
}

let revision = 0;

/** Steps have come; of no layer, where none are given. */
function offer(steps = arraySteps): void {
  arraySteps = steps;
  const last = { last_step: steps.at(-1) ?? 0, last_wall_time: 1 };
  const quantities = [{ quantity: "bptt_gradient", kind: "sequence" as const, ...last }];
  const own = { layer, cell: "gru", units: 1, directions: ["forward"], gates: [], space: [], framework: null };
  const runs = [{ run: "a", position: 0, layers: [{ ...own, quantities }] }];
  index.value = { version: "", revision: `timescales ${revision++}`, experiment_has_runs: true, runs };
  polls.value++;
}

async function there(): Promise<void> {
  await vi.waitFor(() => {
    expect(areTimescalesThere.value).toBe(true);
  });
}

const ends: (() => void)[] = [];

beforeEach(() => {
  vi.stubGlobal("fetch", answer);
  choices.value = { ...defaultChoices, row: ["a", layer] };
  needs.value = { arrays: false, kind: null, among: ["bptt_gradient"] };
  asked.length = 0;
  ends.push(watchSeries(), watchTimescales());
});

afterEach(() => {
  wishTimescales(false);
  playing.value = false;
  ends.splice(0).forEach((end) => {
    end();
  });
  vi.unstubAllGlobals();
});

describe("timescales", () => {
  it("are asked for once the steps are known, and again when another step of theirs is meant", async () => {
    wishTimescales(true);
    offer([0, 10]);
    await there();
    expect(asked).toEqual(["10"]);
    // A step of another layer.
    offer();
    expect(areTimescalesThere.value).toBe(true);
    choices.value = { ...choices.value, step: 0 };
    await there();
    // New steps change nothing where one stands.
    offer([0, 10, 20]);
    await vi.waitFor(() => {
      expect(keptSteps.value).toEqual([0, 10, 20]);
    });
    expect(areTimescalesThere.value).toBe(true);
    choices.value = { ...choices.value, step: null };
    await there();
    expect(asked).toEqual(["10", "0", "20"]);
  });

  it("are not asked for while the steps fly by", async () => {
    offer([0, 10, 20]);
    wishTimescales(true);
    await there();
    asked.length = 0;
    playing.value = true;
    choices.value = { ...choices.value, step: 0 };
    choices.value = { ...choices.value, step: 10 };
    expect(asked).toEqual([]);
    playing.value = false;
    await there();
    expect(asked).toEqual(["10"]);
  });

  it("of a step before are waited for: steps may come faster than answers", async () => {
    offer([0, 10, 20]);
    choices.value = { ...choices.value, step: 20 };
    wishTimescales(true);
    await there();
    asked.length = 0;
    let open: () => void = () => undefined;
    gate = new Promise((done) => {
      open = done;
    });
    choices.value = { ...choices.value, step: 0 };
    choices.value = { ...choices.value, step: 10 };
    choices.value = { ...choices.value, step: 20 };
    choices.value = { ...choices.value, step: 10 };
    expect(asked).toEqual(["0"]);
    open();
    await there();
    expect(asked).toEqual(["0", "10"]);
  });
});
