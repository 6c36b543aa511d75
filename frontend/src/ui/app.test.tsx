import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/preact";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { choices, defaultChoices } from "../state/choices";
import { start } from "../state/start";
import { App } from "./app";

const quantities = (names: [string, string][]) =>
  names.map(([quantity, kind]) => ({ quantity, kind, last_step: 100, last_wall_time: 1 }));

const layer = {
  layer: "encoder/bilstm",
  cell: "lstm",
  units: 2,
  directions: ["forward", "backward"],
  gates: ["input", "forget", "cell", "output"],
  space: [],
  framework: "keras",
};

const index = {
  version: "0",
  revision: "1",
  experiment_has_runs: true,
  runs: [
    {
      run: "lstm",
      position: 1,
      layers: [
        {
          ...layer,
          quantities: quantities([
            ["activation", "sequence"],
            ["output_gradient", "sequence"],
          ]),
        },
      ],
    },
    { run: "gru", position: 2, layers: [{ ...layer, quantities: quantities([["activation", "sequence"]]) }] },
  ],
};

function seriesFor(query: URLSearchParams): unknown {
  const series = query.getAll("run").map((run) => ({
    run,
    layer: query.get("layer"),
    quantity: query.get("quantity"),
    steps: [0, 50, 100],
    wall_times: [1, 1, 1],
    array_steps: [50, 100],
    array_wall_times: [1, 1],
    shapes: Array.from({ length: 3 }, () => [16, 3, 4]),
    samples_kept: [3, 3, 3],
    nan: [0, 0, 0],
    inf: [0, 0, 0],
    largest: [1, 1, 1],
  }));
  return { series, missing: [] };
}

/** 3 timesteps × 4 channels: 0, 1, … 11, with a NaN in place of 11. */
function arraysFor(query: URLSearchParams): ArrayBuffer {
  const wanted = query
    .getAll("run")
    .flatMap((run, i) =>
      query.getAll("sample").map((sample) => ({ run, sample: Number(sample), step: Number(query.getAll("step")[i]) })),
    );
  const arrays = wanted.map((one, i) => ({
    ...one,
    layer: query.get("layer"),
    quantity: query.get("quantity"),
    wall_time: 1,
    matrix: null,
    shape: [3, 4],
    full_shape: [3, 4],
    row_block: 1,
    column_block: 1,
    first_row: 0,
    rows: 3,
    first_column: 0,
    columns: 4,
    split: query.get("split") === null ? null : Number(query.get("split")),
    reflected: false,
    order: null,
    channels: null,
    dtype: "float32",
    nan: 1,
    inf: 0,
    low: 0,
    high: 10,
    marginals: null,
    channel_norms: null,
    largest_channel_norm: null,
    offset: 48 * i,
    bytes: 48,
  }));
  let json = JSON.stringify({ arrays, missing: [] });
  json += " ".repeat((8 - ((4 + json.length) % 8)) % 8);
  const bytes = new Uint8Array(4 + json.length + 48 * arrays.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(new TextEncoder().encode(json), 4);
  const cells = Float32Array.from({ length: 12 }, (_, cell) => (cell === 11 ? NaN : cell));
  arrays.forEach(({ offset }) => {
    bytes.set(new Uint8Array(cells.buffer), 4 + json.length + offset);
  });
  return bytes.buffer;
}

const asked: string[] = [];
let refusing = false;

function answer(address: string): Response {
  asked.push(address);
  const [route, query = ""] = address.split("?");
  if (refusing) return new Response('{"error": "the disk is on fire"}', { status: 500 });
  if (route === "index") return Response.json(index);
  if (route === "series") return Response.json(seriesFor(new URLSearchParams(query)));
  return new Response(arraysFor(new URLSearchParams(query)));
}

let stop: (() => void) | undefined;

beforeAll(() => {
  vi.stubGlobal("fetch", (address: string) => Promise.resolve(answer(address)));
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1200);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(800);
  stop = start();
});

beforeEach(() => {
  cleanup();
  choices.value = { ...defaultChoices, view: "heatmap" };
  asked.length = 0;
  render(<App />);
});

afterAll(() => {
  stop?.();
  vi.unstubAllGlobals();
});

const drawings = () => screen.getAllByRole("img").filter((image) => image.classList.contains("heatmap"));
const cellOf = (image: HTMLElement) => [image.dataset.run, image.dataset.sample, image.dataset.step];

describe("the tab", () => {
  it("draws the latest output gradient of the first two samples with no click", async () => {
    await waitFor(() => {
      expect(drawings().map(cellOf)).toEqual([
        ["lstm", "0", "100"],
        ["lstm", "1", "100"],
      ]);
    });
    const [first] = drawings();
    expect(first.getAttribute("aria-label")).toBe(
      "lstm, step 100, encoder/bilstm output gradient, sample 0: channels by timesteps, from 0 to 10, 1 NaN",
    );
    expect(first.dataset).toMatchObject({ limit: "10", scale: "symlog", decades: "6", map: "vik", shape: "3x4" });
    expect(screen.getByText("not this quantity")).toBeTruthy();
    expect(screen.getByText("Drawn: 0\u20131. Kept: 3 of 16 in the batch.")).toBeTruthy();
    expect(screen.getByText(/arrays of 1 of 3 steps were sampled away/)).toBeTruthy();
    expect(screen.getByRole("tab", { name: "Heatmap" }).getAttribute("aria-selected")).toBe("true");
  });

  it("asks for nothing when only scale and colours change", async () => {
    await waitFor(() => drawings()[0]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    asked.length = 0;
    fireEvent.change(screen.getByLabelText("Scale"), { target: { value: "log" } });
    fireEvent.change(screen.getByLabelText("Colours"), { target: { value: "berlin" } });
    fireEvent.change(screen.getByLabelText("Limits"), { target: { value: "panel" } });
    await waitFor(() => {
      expect(drawings()[0].dataset).toMatchObject({ scale: "log", map: "berlin" });
    });
    expect(asked).toEqual([]);
    expect(window.location.hash).toBe(
      "#p.rnn.view=heatmap&p.rnn.scale=log&p.rnn.limits=panel&p.rnn.colours=berlin&p.rnn.rest=default",
    );
  });

  it("moves the step with the arrow keys, and the cell within a drawing", async () => {
    await waitFor(() => drawings()[0]);
    fireEvent.keyDown(document.body, { key: "ArrowLeft" });
    await waitFor(() => {
      expect(drawings().map((image) => image.dataset.step)).toEqual(["50", "50"]);
    });
    expect(choices.value.step).toBe(50);
    const keys = ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"];
    keys.forEach((key) => fireEvent.keyDown(drawings()[0], { key }));
    await waitFor(() => {
      expect(screen.getByText(/sample 0, channel 2 \(backward\), t = 1:/).textContent).toContain("6");
    });
    expect(choices.value.step).toBe(50);
  });

  it("follows the latest step on, where no step comes after it", async () => {
    await waitFor(() => drawings()[0]);
    fireEvent.keyDown(document.body, { key: "ArrowRight" });
    fireEvent.click(screen.getByRole("button", { name: "Next step" }));
    expect(choices.value.step).toBeNull();
    choices.value = { ...choices.value, step: 50 };
    fireEvent.keyDown(document.body, { key: "ArrowLeft" });
    expect(choices.value.step).toBe(50);
    fireEvent.keyDown(document.body, { key: "ArrowRight" });
    expect(choices.value.step).toBe(100);
  });

  it("goes from kept step to kept step by all of the slider's arrows", async () => {
    await waitFor(() => drawings()[0]);
    const slider = screen.getByLabelText("Step");
    for (const [down, up] of [
      ["ArrowLeft", "ArrowRight"],
      ["ArrowDown", "ArrowUp"],
    ]) {
      fireEvent.keyDown(slider, { key: down });
      expect(choices.value.step).toBe(50);
      fireEvent.keyDown(slider, { key: up });
      expect(choices.value.step).toBe(100);
    }
    // As with all other keys, the browser's own are left to it.
    expect(fireEvent.keyDown(slider, { key: "ArrowLeft", altKey: true })).toBe(true);
    expect(fireEvent.keyDown(screen.getByRole("tab", { name: "Heatmap" }), { key: "ArrowLeft", altKey: true })).toBe(
      true,
    );
    expect([choices.value.step, choices.value.view]).toEqual([100, "heatmap"]);
  });

  it("reads the true timestep in the reflected half", async () => {
    await waitFor(() => drawings()[0]);
    fireEvent.click(screen.getByLabelText("reflect backward half"));
    await waitFor(() => {
      expect(drawings()[0].dataset.reflected).toBe("true");
    });
    fireEvent.keyDown(drawings()[0], { key: "Escape" });
    ["ArrowRight", "ArrowDown", "ArrowDown"].forEach((key) => fireEvent.keyDown(drawings()[0], { key }));
    await waitFor(() => screen.getByText(/channel 2 \(backward\), t = 2:/));
  });

  it("shows the server's sentence, keeps the drawing, and tries again", async () => {
    await waitFor(() => drawings()[0]);
    refusing = true;
    fireEvent.click(screen.getByLabelText("Sample 2"));
    await waitFor(() => screen.getByText("the disk is on fire"));
    expect(drawings()).toHaveLength(2);
    refusing = false;
    fireEvent.click(screen.getByRole("button", { name: "Retry" }));
    await waitFor(() => {
      expect(drawings()).toHaveLength(3);
    });
    expect(screen.queryByRole("alert")).toBeNull();
  });
});
