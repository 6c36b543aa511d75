import { describe, expect, it } from "vitest";
import { type SeriesOfRun } from "../../state/series";
import { type StatisticsOfRun } from "../../state/statistics";
import { arrange, panelsOf } from "./arrangement";
import { badgeText, nonFiniteText, panelLabel } from "./wording";

const linear = { exponent: 0, first_bin: 0, counts: [1] };

function run(name: string, gates: string[], directions: string[]): SeriesOfRun {
  const quantity = { quantity: "weights", kind: "matrices" as const, last_step: 0, last_wall_time: 0 };
  const layer = { layer: "l", cell: name, units: 2, directions, gates, space: [], framework: null };
  return {
    key: name,
    run: name,
    position: 0,
    moment: "now",
    minus: null,
    layer: { ...layer, quantities: [quantity] },
    quantity,
    series: {} as SeriesOfRun["series"],
  };
}

function statistics(of: SeriesOfRun, matrices: [string, boolean][], steps = [0, 1]): StatisticsOfRun {
  const blocks = of.layer.directions.flatMap((direction) =>
    matrices.flatMap(([matrix, gated]) =>
      (gated ? of.layer.gates : [""]).map((gate) => {
        return { direction, matrix, gate, count: 10_000, nan: 0, inf: 0, minimum: 0, maximum: 1, linear };
      }),
    ),
  );
  return { run: of, stale: false, steps: steps.map((step) => ({ step, blocks, matrices: [] })) };
}

const lstm = run("lstm", ["input", "forget", "cell", "output"], ["forward", "backward"]);
const gru = run("gru", ["update", "reset", "candidate"], ["forward"]);
const rnn = run("rnn", [], ["forward"]);
const both = [
  statistics(lstm, [
    ["bias", true],
    ["kernel", true],
  ]),
  statistics(gru, [["kernel", true]]),
];
const shape = (groups: ReturnType<typeof arrange>) =>
  groups.map(({ direction, run: of, sections }) => [
    of?.run ?? null,
    direction,
    sections.map(({ matrices, rows }) => [matrices.join(" "), rows.map(({ gate }) => gate).join(" ")]),
  ]);

describe("the arrangement", () => {
  it("overlays runs in a group for each direction, with the gates of all", () => {
    const groups = arrange(both, true);
    expect(shape(groups)).toEqual([
      [null, "forward", [["kernel bias", "input forget cell output update reset candidate"]]],
      [null, "backward", [["kernel bias", "input forget cell output update reset candidate"]]],
    ]);
    const [forward] = groups;
    const ofRow = (gate: string) => forward.sections[0].rows.find((row) => row.gate === gate)?.panels;
    expect(ofRow("input")?.map((panel) => panel?.traces.map((trace) => trace.run.run))).toEqual([["lstm"], ["lstm"]]);
    expect(ofRow("reset")?.map((panel) => panel?.traces.map((trace) => trace.run.run))).toEqual([["gru"], undefined]);
  });

  it("has a group for each direction of each run where steps take the place of runs", () => {
    expect(shape(arrange(both, false)).map(([name, direction]) => [name, direction])).toEqual([
      ["lstm", "forward"],
      ["lstm", "backward"],
      ["gru", "forward"],
    ]);
  });

  it("sets matrices without gates apart", () => {
    const projected = statistics(lstm, [
      ["kernel", true],
      ["projection_kernel", false],
    ]);
    const [forward] = arrange([projected, statistics(rnn, [["kernel", false]])], true);
    expect(shape([forward])[0][2]).toEqual([
      ["kernel", "input forget cell output"],
      ["kernel projection_kernel", ""],
    ]);
  });

  it("has one panel for each direction of a sequence", () => {
    const groups = arrange([statistics(lstm, [["", false]])], true);
    expect(groups.map((group) => panelsOf(group).map(({ matrix, gate }) => [matrix, gate]))).toEqual([
      [["", ""]],
      [["", ""]],
    ]);
  });
});

describe("what is not finite", () => {
  const block = { direction: "forward", matrix: "kernel", gate: "cell", count: 10_000, nan: 3, inf: 0 };

  it("is counted exactly", () => {
    expect(nonFiniteText(block)).toBe("3 NaN of 10000 (0.03%)");
    expect(nonFiniteText({ ...block, nan: 0 })).toBe("");
  });

  it("is summed up over steps", () => {
    const frames = [5, 6, 7].map((step) => ({ step, histogram: null, block: { ...block, nan: step > 5 ? 1 : 0 } }));
    expect(badgeText({ run: lstm, frames })).toBe("NaN or Inf at 2 of 3 steps, first at step 6");
  });

  it("is in the name of the drawing", () => {
    const frames = [{ step: 5, histogram: null, block: { ...block, minimum: null, maximum: null } }];
    const panel = { key: "", direction: "forward", matrix: "kernel", gate: "cell", traces: [{ run: lstm, frames }] };
    expect(panelLabel(panel, "histogram")).toBe(
      "l weights, forward kernel, cell gate: histogram; lstm, step 5, nothing finite, 3 NaN of 10000 (0.03%)",
    );
  });
});

describe("bins that were asked for", () => {
  const binned = { low: 0, high: 1, counts: [3, 1] };
  const framesOf = (own: typeof binned | null) => {
    const found = statistics(rnn, [["kernel", false]], [5]);
    for (const block of found.steps[0].blocks) block.binned = own;
    return arrange([found], true).flatMap(panelsOf)[0].traces[0].frames;
  };

  it("take the place of the light summary's where the arrays were there to be counted", () => {
    expect(framesOf(binned)[0].histogram).toEqual(binned);
    expect(framesOf(null)[0].histogram).toEqual(linear);
  });

  it("are none where nothing is finite", () => {
    expect(framesOf({ ...binned, counts: [] })[0].histogram).toBeNull();
  });
});
