import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { index, polls, refreshIndex } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { needs, usualNeeds } from "./needs";
import { attempts, problem } from "./problems";
import { shownSeries, watchSeries } from "./series";

const quantities = ["activation", "output_gradient"];
let keptArrays = [1];
let isSilent = false;

function answer(address: string): Response {
  if (isSilent) throw new TypeError("Failed to fetch");
  if (address === "index") return Response.json(index.peek());
  const query = new URLSearchParams(address.split("?")[1]);
  const [run, quantity] = [query.get("run"), query.get("quantity")];
  if (quantity === "output_gradient") return Response.json({ error: "the disk is on fire" }, { status: 500 });
  const along = { steps: [0, 1], wall_times: [1, 1], nan: [], inf: [], largest: [] };
  const arrays = { array_steps: keptArrays, array_wall_times: keptArrays.map(() => 1) };
  return Response.json({
    series: [{ run, layer: "l", quantity, shapes: null, samples_kept: null, ...along, ...arrays }],
    missing: [],
  });
}

let end: () => void = () => undefined;

beforeEach(() => {
  vi.stubGlobal("fetch", (address: string) => Promise.resolve().then(() => answer(address)));
  choices.value = { ...defaultChoices, quantity: "activation" };
  needs.value = usualNeeds;
  const own = { layer: "l", cell: "gru", units: 1, directions: ["forward"], gates: [], space: [], framework: null };
  const along = { kind: "sequence" as const, last_step: 1, last_wall_time: 1 };
  const layers = [{ ...own, quantities: quantities.map((quantity) => ({ quantity, ...along })) }];
  index.value = {
    version: "",
    revision: "series",
    experiment_has_runs: true,
    runs: [{ run: "a", position: 0, layers }],
  };
  polls.value++;
  end = watchSeries();
});

afterEach(() => {
  end();
  vi.unstubAllGlobals();
});

it("is a problem only as long as it is looked at", async () => {
  await vi.waitFor(() => {
    expect(shownSeries.value).toHaveLength(1);
  });
  choices.value = { ...choices.value, quantity: "output_gradient" };
  await vi.waitFor(() => {
    expect(problem.value).toBe("the disk is on fire");
  });
  choices.value = { ...choices.value, quantity: "activation" };
  expect(problem.value).toBeNull();
  // Left before the refusal has come.
  choices.value = { ...choices.value, quantity: "output_gradient" };
  choices.value = { ...choices.value, quantity: "activation" };
  await new Promise((done) => setTimeout(done));
  expect(problem.value).toBeNull();
});

const arraySteps = () => shownSeries.value.map(({ series }) => series.array_steps);

it("is asked for anew by whoever tries again: TensorBoard may have been started with room for more arrays", async () => {
  attempts.value++;
  await vi.waitFor(() => {
    expect(arraySteps()).toEqual([[1]]);
  });
  keptArrays = [0, 1];
  polls.value++;
  await new Promise((done) => setTimeout(done));
  expect(arraySteps()).toEqual([[1]]);
  attempts.value++;
  await vi.waitFor(() => {
    expect(arraySteps()).toEqual([[0, 1]]);
  });
});

it("is asked for anew when the server answers again", async () => {
  keptArrays = [1];
  attempts.value++;
  await vi.waitFor(() => {
    expect(arraySteps()).toEqual([[1]]);
  });
  isSilent = true;
  await refreshIndex();
  expect(problem.value).toContain("does not answer");
  isSilent = false;
  keptArrays = [0, 1];
  await refreshIndex();
  await vi.waitFor(() => {
    expect(arraySteps()).toEqual([[0, 1]]);
  });
});
