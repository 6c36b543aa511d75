import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/preact";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { index } from "../../state/catalogue";
import { choices, defaultChoices } from "../../state/choices";
import { type Health } from "../../state/health";
import { start } from "../../state/start";
import { App } from "../../ui/app";
import { finding, health, layer, measure } from "./fixtures";

let answered: Health = health({});
let stop: (() => void) | undefined;

function runNamed(run: string, position: number, quantity = "activation") {
  const own = { layer: "recurrent", cell: "rnn", units: 48, directions: ["forward"], gates: [], space: [] };
  const quantities = [{ quantity, kind: "sequence" as const, last_step: 100, last_wall_time: 1 }];
  return { run, position, layers: [{ ...own, framework: null, quantities }] };
}

const theIndex = {
  version: "0",
  revision: "1",
  experiment_has_runs: true,
  runs: [runNamed("rnn", 0), runNamed("lstm", 1)],
};

const theTimescales = {
  timescales: [],
  missing: [{ run: "rnn", layer: "recurrent", reason: "a plain RNN has no gate that keeps its state." }],
};

async function show(next: Health): Promise<void> {
  answered = next;
  // Another revision: what was answered before is not asked for again.
  index.value = { ...theIndex, revision: String(Math.random()) };
  render(<App />);
  await screen.findByRole("heading", { name: "Findings" });
}

beforeAll(() => {
  vi.stubGlobal("fetch", (address: string) => {
    if (address.startsWith("index")) return new Promise(() => undefined);
    if (address.startsWith("timescales")) return Promise.resolve(Response.json(theTimescales));
    return Promise.resolve(Response.json(address.startsWith("health") ? answered : { error: "no" }));
  });
  // An answer takes no time: there is none to rest after it.
  vi.spyOn(performance, "now").mockReturnValue(0);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1200);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(800);
  stop = start();
  return () => {
    stop?.();
    vi.unstubAllGlobals();
  };
});

beforeEach(() => {
  choices.value = defaultChoices;
});

afterEach(cleanup);

const sick = layer("recurrent", "error", [measure({ severity: "error", finding: 0 })]);
const well = layer("recurrent", "ok", [
  measure({ text: "79 of 79", latest: 79 }),
  measure({ measure: "dead_units", title: "dead units", text: "0 of 48" }),
]);
const runs = [
  { run: "rnn", loss: null, layers: [sick] },
  { run: "lstm", loss: null, layers: [{ ...well, absent: [{ measure: "update_ratio", reason: "no weights" }] }] },
];

describe("the overview", () => {
  it("opens first, and says quietly that nothing was found", async () => {
    await show(health({ runs: [{ run: "lstm", loss: null, layers: [well] }] }));
    expect(screen.getByRole("tab", { name: "Overview" }).getAttribute("aria-selected")).toBe("true");
    expect((await screen.findByText(/Nothing found/)).textContent).toContain("in 2 measures of 1 layer.");
  });

  it("says what was found, and leads to it", async () => {
    await show(health({ runs, findings: [finding({})] }));
    const sight = { rows: [1, 2], columns: [0, 3] } as const;
    choices.value = { ...choices.value, region: sight, regions: { "forward/kernel": sight } };
    const found = await screen.findByText("6 of 79", { selector: ".finding strong" });
    const item = found.closest("li");
    expect(item?.textContent).toContain("error: rnn / recurrent: the gradient reaches 6 of 79 steps back");
    expect(item?.textContent).toContain("threshold: 0.1 (short horizon)");
    expect(item?.textContent).toContain("What usually helps: a gated cell.");
    fireEvent.click(screen.getByRole("button", { name: "show rnn / recurrent in Curves, step 100" }));
    expect(choices.value).toMatchObject({
      view: "curves",
      runs: ["rnn"],
      layer: "recurrent",
      quantity: "bptt_gradient",
      step: 100,
      // It may be outside of what was in sight.
      region: null,
      regions: {},
    });
  });

  it("leaves open what was opened by hand, wherever it comes to stand", async () => {
    const [first, second, third] = ["forward", "backward", "both"].map((direction) => finding({ direction }));
    const opened = () =>
      screen
        .getAllByRole("button", { name: /^measure, threshold/ })
        .map((fold) => fold.getAttribute("aria-expanded") === "true");
    await show(health({ runs, findings: [first, second, { ...third, follows: 1 }] }));
    await screen.findByText("1 finding probably follows from it");
    expect(opened()).toEqual([true, false, false]);
    const folds = screen.getAllByRole("button", { name: /^measure, threshold/ });
    fireEvent.click(folds[1]);
    fireEvent.click(folds[2]);
    const worse = finding({ direction: "forward", fault: "nan" });
    answered = health({ runs, findings: [worse, first, second, { ...third, follows: 2 }] });
    index.value = { ...theIndex, revision: "with a worse one" };
    await waitFor(() => {
      expect(opened()).toEqual([true, false, true, true]);
    });
  });

  it("does not take the end of a drag over text for a click", async () => {
    await show(health({ runs, findings: [finding({})] }));
    const sentence = (await screen.findByText("6 of 79", { selector: ".finding strong" })).closest("p");
    const row = screen.getByRole("button", { name: "rnn / recurrent" }).closest("tr");
    const selection = vi.spyOn(window, "getSelection").mockReturnValue({ isCollapsed: false } as Selection);
    const fold = () => screen.getByRole("button", { name: /^measure, threshold/ }).getAttribute("aria-expanded");
    if (sentence === null || row === null) throw new Error("there is no finding, or no row");
    fireEvent.click(sentence);
    fireEvent.click(row);
    expect([fold(), choices.value.row]).toEqual(["true", null]);
    selection.mockRestore();
    fireEvent.click(row);
    expect(choices.value.row).toEqual(["rnn", "recurrent"]);
  });

  it("counts the rows that it brings: an open one is there already", async () => {
    const many = Array.from({ length: 20 }, (_, i) => layer(`layer ${i}`, "ok", [measure({})]));
    choices.value = { ...defaultChoices, row: ["rnn", "layer 15"] };
    await show(health({ runs: [{ run: "rnn", loss: null, layers: many }] }));
    const shown = () => document.querySelectorAll("tr.row").length;
    await screen.findByRole("region", { name: "All measures of rnn / layer 15" });
    const few = shown();
    fireEvent.click(screen.getByRole("button", { name: `Show ${20 - few} more rows` }));
    const back = await screen.findByRole("button", { name: `Show ${few} rows only` });
    expect(shown()).toBe(20);
    fireEvent.click(back);
    await waitFor(() => {
      expect(shown()).toBe(few);
    });
  });

  it("folds what follows from a finding, and long lists", async () => {
    const findings = [
      finding({}),
      finding({ follows: 0 }),
      ...Array.from({ length: 6 }, (_, i) => finding({ gate: `${i}` })),
    ];
    await show(health({ runs, findings }));
    expect(await screen.findByText("1 finding probably follows from it")).toBeTruthy();
    const shown = () => document.querySelectorAll(".findings > ul > li").length;
    expect(shown()).toBe(4);
    fireEvent.click(screen.getByRole("button", { name: "Show 3 more findings" }));
    expect(await screen.findByRole("button", { name: "Show the first 4 findings only" })).toBeTruthy();
    expect(shown()).toBe(7);
    expect(choices.value.findings).toBe("all");
  });

  it("has a row for each layer, worst first, with a trend, a value and a verdict in each cell", async () => {
    await show(health({ runs, findings: [finding({})] }));
    const table = await screen.findByRole("table");
    expect(
      within(table)
        .getAllByRole("columnheader")
        .map((head) => head.textContent),
    ).toEqual(["run / layer", "gradient horizon", "dead units"]);
    const [, first, second] = within(table).getAllByRole("row");
    expect(first.textContent).toContain("error: rnn / recurrent");
    expect(within(first).getByRole("img").getAttribute("aria-label")).toBe(
      "rnn / recurrent, gradient horizon from 4 at step 0 to 6 at step 100",
    );
    expect(second.textContent).toContain("79 of 79");
    fireEvent.click(within(first).getByRole("button", { name: "error: 6 of 79" }));
    expect(choices.value.view).toBe("curves");
  });

  it("shows all measures of a row that is chosen, and why others are not there", async () => {
    const radius = { measure: "spectral_radius", title: "spectral radius", unit: "number" as const };
    const kinds = [
      { ...radius, meaning: "the largest eigenvalue", misleads: "no net is healthy because of it" },
      { measure: "cell_path", title: "cell path", unit: "timesteps" as const, meaning: "what is left", misleads: "" },
    ];
    const own = ["input", "forget"].map((gate, i) =>
      measure({ ...radius, quantity: "weights", matrix: "recurrent_kernel", gate, text: String(i), latest: i }),
    );
    const absent = [{ measure: "cell_path", reason: "a plain RNN has no gates." }];
    const full = { ...sick, measures: [...sick.measures, ...own], absent };
    await show(health({ kinds, runs: [{ run: "rnn", loss: null, layers: [full] }] }));
    const row = await screen.findByRole("button", { name: "rnn / recurrent" });
    expect(row.getAttribute("aria-expanded")).toBe("false");
    fireEvent.click(row);
    expect(choices.value.row).toEqual(["rnn", "recurrent"]);
    const detail = await screen.findByRole("region", { name: "All measures of rnn / recurrent" });
    const head = within(detail).getByRole("heading", { name: /^spectral radius/ });
    expect(head.textContent).toContain("spectral radius, recurrent kernel");
    expect(head.title).toBe("the largest eigenvalue When it misleads: no net is healthy because of it");
    const parts = [...detail.querySelectorAll("li[data-measure]")];
    expect(parts.map((part) => part.textContent)).toEqual(["input gate0", "forget gate1"]);
    expect(detail.textContent).toContain("cell path: a plain RNN has no gates.");
    expect(await within(detail).findByText(": a plain RNN has no gate that keeps its state.")).toBeTruthy();
    fireEvent.click(row);
    expect(choices.value.row).toBeNull();
  });

  it("says why there is no map, and which line gives it", async () => {
    const absent = [{ measure: "gradient_horizon", reason: "it was turned off by bptt=False." }];
    const bare = { ...sick, quantities: ["activation"], absent };
    await show(health({ runs: [{ run: "rnn", loss: null, layers: [bare] }] }));
    const note = (await screen.findByText("No gradient was recorded of this layer.")).closest("div");
    expect(note?.textContent).toContain("it was turned off by bptt=False.");
    expect(note?.textContent).toContain("rnn_summary.attach(model, every=50)");
  });

  it("sets thresholds in the address, and takes them out at their default", async () => {
    await show(health({ runs }));
    const share = await screen.findByLabelText(/Horizon: smallest share/);
    fireEvent.change(share, { target: { value: "0.05" } });
    expect(choices.value.thresholds).toEqual({ horizon_share: 0.05 });
    const short = screen.getByLabelText("short horizon");
    fireEvent.change(short, { target: { value: "0.3" } });
    expect(window.location.hash).toContain("p.rnn.thresholds=horizon_share%3A0.05%2Cshort_horizon%3A0.3");
    fireEvent.change(short, { target: { value: "-1" } });
    fireEvent.change(share, { target: { value: "0.01" } });
    expect(choices.value.thresholds).toEqual({});
  });

  it("offers the runs that are not looked at", async () => {
    choices.value = { ...defaultChoices, runs: ["rnn"] };
    await show(health({ runs }));
    fireEvent.click(await screen.findByRole("button", { name: "Look at all" }));
    expect(choices.value.runs).toBeNull();
  });
});
