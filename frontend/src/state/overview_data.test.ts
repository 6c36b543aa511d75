import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { index, polls } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { health, isHealthBehind, isHealthThere, watchHealth, wishHealth } from "./health";
import { needs } from "./needs";
import { attempts, problem } from "./problems";
import { areProfilesThere, shownProfiles, watchProfiles, wishProfiles } from "./profiles";

let refusing = false;
const asked: string[] = [];
/** Milliseconds. */
let clock = 0;
const healthTakes = 10;

/** Two steps of three timesteps each: 1, 2, … 6. */
function profilesFor(query: URLSearchParams): ArrayBuffer {
  const entry = {
    run: query.get("run"),
    layer: "l",
    quantity: query.get("quantity"),
    direction: "forward",
    steps: [0, 10],
    wall_times: [1, 2],
    timesteps: [3, 3],
    blocks: [1, 1],
    points: [3, 3],
    least: 1,
    largest: 6,
    shape: [2, 3],
    offset: 0,
    bytes: 24,
  };
  let json = JSON.stringify({ profiles: [entry], missing: [] });
  json += " ".repeat((8 - ((4 + json.length) % 8)) % 8);
  const bytes = new Uint8Array(4 + json.length + 24);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(new TextEncoder().encode(json), 4);
  bytes.set(new Uint8Array(Float32Array.from([1, 2, 3, 4, 5, 6]).buffer), 4 + json.length);
  return bytes.buffer;
}

function answer(address: string): Response {
  asked.push(address);
  const [route, text] = address.split("?");
  const query = new URLSearchParams(text);
  if (refusing) return Response.json({ error: "the disk is on fire" }, { status: 500 });
  if (route === "health") clock += healthTakes;
  if (route === "health") return Response.json({ columns: [], runs: [], findings: [], thresholds: [], missing: [] });
  if (query.get("run") === "b") return Response.json({ error: "b has none" }, { status: 404 });
  return new Response(profilesFor(query));
}

function offer(lastStep: number, names = ["a"]): void {
  const quantity = { quantity: "bptt_gradient", kind: "sequence" as const, last_step: lastStep, last_wall_time: 1 };
  const layer = { layer: "l", cell: "rnn", units: 1, directions: ["forward"], gates: [], space: [], framework: null };
  const runs = names.map((run, position) => ({ run, position, layers: [{ ...layer, quantities: [quantity] }] }));
  index.value = { version: "", revision: `${lastStep} ${names.join()}`, experiment_has_runs: true, runs };
  polls.value++;
}

const ends: (() => void)[] = [];

beforeEach(() => {
  vi.stubGlobal("fetch", (address: string) => Promise.resolve(answer(address)));
  vi.spyOn(performance, "now").mockImplementation(() => clock);
  clock += 1000;
  choices.value = defaultChoices;
  needs.value = { arrays: false, kind: null, among: ["bptt_gradient", "output_gradient"] };
  asked.length = 0;
  ends.push(watchHealth(), watchProfiles());
});

afterEach(() => {
  wishHealth(false);
  wishProfiles(false);
  ends.splice(0).forEach((end) => {
    end();
  });
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("health", () => {
  it("is asked for only while it is wished, once for each revision and each set of thresholds", async () => {
    offer(10);
    expect(asked).toEqual([]);
    wishHealth(true);
    expect(isHealthThere.value).toBe(false);
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    polls.value++;
    choices.value = { ...choices.value, thresholds: { horizon_share: 0.05 } };
    // What was there stays until the next has come.
    expect(health.value).not.toBeNull();
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    clock += 1000;
    offer(20);
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    expect(asked).toEqual(["health?run=a", "health?run=a&horizon_share=0.05", "health?run=a&horizon_share=0.05"]);
  });

  it("of an earlier revision is waited for: steps may come faster than answers", async () => {
    offer(10, ["slow"]);
    wishHealth(true);
    offer(20, ["slow"]);
    offer(30, ["slow"]);
    expect(asked).toHaveLength(1);
    await vi.waitFor(() => {
      clock += 1000;
      polls.value++;
      expect(isHealthThere.value).toBe(true);
    });
    expect(asked).toEqual(["health?run=slow", "health?run=slow"]);
  });

  it("takes a tenth of the time at most, while steps keep coming", async () => {
    offer(10, ["long"]);
    wishHealth(true);
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    offer(20, ["long"]);
    clock += 9 * healthTakes - 1;
    polls.value++;
    expect(asked).toHaveLength(1);
    clock += 1;
    polls.value++;
    expect(asked).toHaveLength(2);
  });

  it("is there at once for who tries again, or reloads, while new steps wait", async () => {
    offer(10, ["dear"]);
    wishHealth(true);
    expect(isHealthBehind.value).toBe(false);
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    offer(20, ["dear"]);
    expect([asked.length, isHealthBehind.value]).toEqual([1, true]);
    attempts.value++;
    expect(asked).toHaveLength(2);
    await vi.waitFor(() => {
      expect(isHealthThere.value).toBe(true);
    });
    expect(isHealthBehind.value).toBe(false);
    // What was asked otherwise is not just older.
    choices.value = { ...choices.value, thresholds: { horizon_share: 0.2 } };
    expect([isHealthThere.value, isHealthBehind.value]).toEqual([false, false]);
  });

  it("that the server refuses is a problem, and is asked for again at the next poll", async () => {
    offer(10, ["other"]);
    refusing = true;
    wishHealth(true);
    await vi.waitFor(() => {
      expect(problem.value).toBe("the disk is on fire");
    });
    refusing = false;
    polls.value++;
    await vi.waitFor(() => {
      expect(problem.value).toBeNull();
    });
  });
});

describe("profiles", () => {
  it("are fetched again only for the runs that have grown", async () => {
    offer(10);
    wishProfiles(true);
    await vi.waitFor(() => {
      expect(areProfilesThere.value).toBe(true);
    });
    const [{ profiles }] = shownProfiles.value;
    expect(profiles.map(({ norms }) => [...norms])).toEqual([[1, 2, 3, 4, 5, 6]]);
    offer(10, ["a", "c"]);
    await vi.waitFor(() => {
      expect(shownProfiles.value).toHaveLength(2);
    });
    expect(asked).toEqual([
      "profiles?run=a&layer=l&quantity=bptt_gradient&statistic=mean",
      "profiles?run=c&layer=l&quantity=bptt_gradient&statistic=mean",
    ]);
  });

  it("of an earlier step are waited for: steps may come faster than answers", async () => {
    offer(10, ["slow"]);
    wishProfiles(true);
    offer(20, ["slow"]);
    offer(30, ["slow"]);
    expect(asked).toHaveLength(1);
    await vi.waitFor(() => {
      expect(areProfilesThere.value).toBe(true);
    });
    expect(asked).toHaveLength(2);
  });

  it("that a run does not have are no problem: the server says why", async () => {
    offer(10, ["b"]);
    wishProfiles(true);
    await vi.waitFor(() => {
      expect(areProfilesThere.value).toBe(true);
    });
    expect(shownProfiles.value).toMatchObject([{ profiles: [], reason: "b has none" }]);
    expect(problem.value).toBeNull();
  });

  it("that the server refuses are a problem only as long as they are wished", async () => {
    offer(10, ["broken"]);
    refusing = true;
    wishProfiles(true);
    await vi.waitFor(() => {
      expect(problem.value).toBe("the disk is on fire");
    });
    wishProfiles(false);
    expect(problem.value).toBeNull();
    // Left before the refusal has come.
    wishProfiles(true);
    wishProfiles(false);
    await new Promise((done) => setTimeout(done));
    expect(problem.value).toBeNull();
    refusing = false;
  });
});
