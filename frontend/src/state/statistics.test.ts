import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { index, polls } from "./catalogue";
import { choices, defaultChoices } from "./choices";
import { problem } from "./problems";
import { watchSeries } from "./series";
import { shownStatistics, watchStatistics, wishStatistics } from "./statistics";

let steps = [0, 10, 20];
let refusing = false;
/** Steps that the server has lost since it named them. */
let lost: number[] = [];
const asked: URLSearchParams[] = [];

function answer(address: string): Response {
  const [route, text] = address.split("?");
  const query = new URLSearchParams(text);
  const subject = { run: query.get("run"), layer: "l", quantity: "weights" };
  if (route === "series") {
    const times = steps.map(() => 1);
    const series = { ...subject, steps, wall_times: times, array_steps: steps, array_wall_times: times, shapes: null };
    return Response.json({ series: [{ ...series, samples_kept: null, nan: [], inf: [], largest: [] }], missing: [] });
  }
  asked.push(query);
  if (refusing) return Response.json({ error: "the disk is on fire" }, { status: 500 });
  const wanted = query.getAll("step").map(Number);
  const answered = (wanted.length === 0 ? steps : wanted).filter((step) => !lost.includes(step));
  const block = { direction: "forward", matrix: "kernel", gate: "", count: answered.map((step) => 100 + step) };
  const ratios = answered.map((step) => (step === 0 ? null : step / 1000));
  const matrices = [{ direction: "forward", matrix: "kernel", update_ratio: ratios }];
  const statistics = [{ ...subject, steps: answered, wall_times: answered.map(() => 1), blocks: [block], matrices }];
  return Response.json({ statistics, missing: [] });
}

function offer(): void {
  const quantity = {
    quantity: "weights",
    kind: "matrices" as const,
    last_step: steps[steps.length - 1],
    last_wall_time: 1,
  };
  const layer = { layer: "l", cell: "rnn", units: 1, directions: ["forward"], gates: [], space: [], framework: null };
  const layers = [{ ...layer, quantities: [quantity] }];
  index.value = {
    version: "",
    revision: String(steps.length),
    experiment_has_runs: true,
    runs: [{ run: "a", position: 0, layers }],
  };
  polls.value++;
}

const shown = () =>
  shownStatistics.value.map((one) => [one.stale, one.steps.map(({ step, blocks }) => [step, blocks[0].count])]);
const ends: (() => void)[] = [];

beforeEach(() => {
  // Who asks without end is answered no more.
  vi.stubGlobal("fetch", (address: string) =>
    asked.length > 20 ? new Promise(() => null) : Promise.resolve(answer(address)),
  );
  lost = [];
  choices.value = defaultChoices;
  ends.push(watchSeries(), watchStatistics());
});

afterEach(() => {
  wishStatistics(null);
  ends.splice(0).forEach((end) => {
    end();
  });
  vi.unstubAllGlobals();
});

describe("statistics", () => {
  it("are fetched for the steps that are wished, each once, and kept while more are on their way", async () => {
    offer();
    wishStatistics({ fields: ["count"], steps: ({ series }) => series.steps.slice(-2) });
    await vi.waitFor(() => {
      expect(shown()).toEqual([
        [
          false,
          [
            [10, 110],
            [20, 120],
          ],
        ],
      ]);
    });
    expect(asked.map((query) => [query.getAll("step"), query.getAll("field")])).toEqual([[["10", "20"], ["count"]]]);

    asked.length = 0;
    wishStatistics({ fields: ["count"], steps: ({ series }) => series.steps });
    expect(shown()).toEqual([
      [
        true,
        [
          [10, 110],
          [20, 120],
        ],
      ],
    ]);
    await vi.waitFor(() => {
      expect(shown()).toEqual([
        [
          false,
          [
            [0, 100],
            [10, 110],
            [20, 120],
          ],
        ],
      ]);
    });
    expect(asked.map((query) => query.getAll("step"))).toEqual([["0"]]);

    // A new step: that one alone is asked for.
    asked.length = 0;
    steps = [0, 10, 20, 30];
    offer();
    await vi.waitFor(() => {
      expect(shown()[0][1]).toHaveLength(4);
    });
    expect(asked.map((query) => query.getAll("step"))).toEqual([["30"]]);
  });

  it("name their steps where arrays are to be counted, even where that is all of them", async () => {
    offer();
    asked.length = 0;
    wishStatistics({ fields: ["count"], steps: () => [0, 10, 20], bins: 64 });
    await vi.waitFor(() => {
      expect(shown()[0][1]).toHaveLength(3);
    });
    expect(asked.map((query) => [query.getAll("step"), query.get("bins")])).toEqual([[["0", "10", "20"], "64"]]);
    // Other bins are other histograms.
    asked.length = 0;
    wishStatistics({ fields: ["count"], steps: () => [0], bins: 32 });
    await vi.waitFor(() => {
      expect(asked.map((query) => query.get("bins"))).toEqual(["32"]);
    });
  });

  it("of whole matrices are there beside their gates'", async () => {
    offer();
    wishStatistics({ fields: ["count", "update_ratio"], steps: () => [0, 10] });
    await vi.waitFor(() => {
      expect(shownStatistics.value[0].steps).toHaveLength(2);
    });
    expect(shownStatistics.value[0].steps[1].matrices).toEqual([
      { direction: "forward", matrix: "kernel", gate: "", update_ratio: 0.01 },
    ]);
  });

  it("that the server refuses are a problem, and are asked for again at the next poll", async () => {
    offer();
    refusing = true;
    wishStatistics({ fields: ["nan"], steps: () => [0] });
    await vi.waitFor(() => {
      expect(problem.value).toBe("the disk is on fire");
    });
    refusing = false;
    asked.length = 0;
    polls.value++;
    await vi.waitFor(() => {
      expect(problem.value).toBeNull();
    });
    expect(asked).toHaveLength(1);
  });

  it("of a step that the server has no more are done without, and not asked for over and over", async () => {
    offer();
    lost = [10];
    asked.length = 0;
    wishStatistics({ fields: ["maximum", "count"], steps: () => [0, 10, 20] });
    await vi.waitFor(() => {
      expect(shown()).toEqual([
        [
          false,
          [
            [0, 100],
            [20, 120],
          ],
        ],
      ]);
    });
    await new Promise((done) => setTimeout(done, 20));
    expect(asked).toHaveLength(1);
  });

  it("that were refused are no problem any more once they are not wished for", async () => {
    offer();
    refusing = true;
    wishStatistics({ fields: ["inf"], steps: () => [0] });
    await vi.waitFor(() => {
      expect(problem.value).toBe("the disk is on fire");
    });
    wishStatistics(null);
    expect(problem.value).toBeNull();
    refusing = false;
  });
});
