import { afterEach, describe, expect, it, vi } from "vitest";
import { arraysQuery, asItIs, decodeArrays, fetchIndex, fetchSeries } from "./api";

/** The answer as http_api.md lays it down, built byte by byte. */
function answer(headers: Record<string, unknown>[], blobs: Uint8Array[]): ArrayBuffer {
  let offset = 0;
  const arrays = headers.map((header, i) => {
    const placed = { marginals: null, channel_norms: null, ...header, offset, bytes: blobs[i].length };
    offset += Math.ceil(blobs[i].length / 8) * 8;
    return placed;
  });
  let json = JSON.stringify({
    arrays,
    missing: [{ run: "gru", step: 5, sample: 3, matrix: null, reason: "not kept" }],
  });
  while ((4 + json.length) % 8 !== 0) json += " ";
  const bytes = new Uint8Array(4 + json.length + offset);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(new TextEncoder().encode(json), 4);
  arrays.forEach((array, i) => {
    bytes.set(blobs[i], 4 + json.length + array.offset);
  });
  return bytes.buffer;
}

function floatBytes(values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the arrays' binary answer", () => {
  it("is decoded to the last bit, float32 and bfloat16", () => {
    const exact = [1.5, -2.25e-30, Infinity];
    const decoded = decodeArrays(
      answer(
        [
          { run: "lstm", sample: 0, shape: [1, 3], dtype: "float32", nan: 0 },
          { run: "gru", sample: 0, shape: [1, 2], dtype: "bfloat16", nan: 0 },
        ],
        [floatBytes(exact), new Uint8Array([0x80, 0x3f, 0x00, 0xc0])],
      ),
    );
    expect([...decoded.arrays[0].cells]).toEqual(exact.map(Math.fround));
    expect([...decoded.arrays[1].cells]).toEqual([0x3f80, 0xc000]);
    expect(decoded.arrays[1].run).toBe("gru");
    expect(decoded.missing[0].reason).toBe("not kept");
  });

  it("keeps a NaN a NaN whose payload lies in its lower half", () => {
    const header = { run: "lstm", sample: 0, shape: [1, 1], dtype: "float32", nan: 1 };
    const { arrays } = decodeArrays(answer([header], [new Uint8Array([1, 0, 0x80, 0x7f])]));
    expect(new Uint16Array(arrays[0].cells.buffer)[1] & 0x7fff).toBeGreaterThan(0x7f80);
  });

  it("that is cut short is refused", () => {
    const whole = answer([{ run: "lstm", shape: [1, 2], dtype: "float32", nan: 0 }], [floatBytes([1, 2])]);
    expect(() => decodeArrays(whole.slice(0, -4))).toThrow("cut short");
    expect(() => decodeArrays(whole.slice(0, 20))).toThrow("cut short");
    expect(() => decodeArrays(new ArrayBuffer(0))).toThrow("empty");
  });
});

describe("the arrays' mean magnitudes", () => {
  it("are float32, wherever they lie", () => {
    const means = [0.25, NaN, 3];
    const header = {
      run: "lstm",
      sample: 0,
      shape: [1, 2],
      dtype: "bfloat16",
      nan: 0,
      marginals: { offset: 8, bytes: 12 },
    };
    const behind = new Uint8Array([0x80, 0x3f, 0x00, 0xc0, 0, 0, 0, 0, ...floatBytes(means)]);
    const bytes = answer([header], [behind]);
    // The blob holds both: the cells are its first four bytes.
    const decoded = decodeArrays(bytes).arrays[0];
    expect(decoded.marginals).toEqual(Float32Array.from(means));
  });
});

describe("asking", () => {
  it("writes several runs, steps and samples", () => {
    const query = arraysQuery({
      runs: [
        { run: "a&b", layer: "encoder/lstm", step: 5 },
        { run: "c", layer: "encoder/lstm", step: 7 },
      ],
      quantity: "activation",
      samples: [0, 2],
      layout: { ...asItIs, maxRows: 300 },
      dtype: "bfloat16",
    });
    expect(query).toBe(
      "run=a%26b&run=c&layer=encoder%2Flstm&quantity=activation&step=5&step=7&sample=0&sample=2&max_rows=300&dtype=bfloat16",
    );
  });

  it("names the layer of each run where they are called differently", () => {
    const runs = [
      { run: "a", layer: "encoder", step: 5 },
      { run: "b", layer: "body/lstm", step: 5 },
    ];
    const rest = { quantity: "activation", samples: [], layout: asItIs, dtype: "float32" as const };
    expect(arraysQuery({ runs, ...rest })).toBe(
      "run=a&run=b&layer=encoder&layer=body%2Flstm&quantity=activation&step=5&step=5&dtype=float32",
    );
  });

  it("writes a region and an order, and nothing that is left as it is", () => {
    const layout = {
      maxRows: null,
      maxColumns: 100,
      split: 48,
      region: { firstRow: 0, rows: 20, firstColumn: 40, columns: 16 },
      reflect: true,
      order: { by: "first_active" as const, sample: 1 },
    };
    const runs = [{ run: "a", layer: "l", step: 5, orderStep: 7 }];
    expect(arraysQuery({ runs, quantity: "activation", samples: [0], layout, dtype: "float32" })).toBe(
      "run=a&layer=l&quantity=activation&step=5&sample=0&max_columns=100&split=48&first_row=0&rows=20&first_column=40&" +
        "columns=16&order_sample=1&reflect=on&order=first_active&order_step=7&dtype=float32",
    );
  });

  it("turns an error's sentence into the error", async () => {
    const refuse = (body: string, status: number) => {
      vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status })));
    };
    refuse('{"error": "no layer x"}', 404);
    await expect(fetchSeries([{ run: "a", layer: "x" }], "y")).rejects.toMatchObject({
      status: 404,
      message: "no layer x",
    });
    refuse("<html>", 502);
    await expect(fetchIndex()).rejects.toThrow("502");
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
    await expect(fetchIndex()).rejects.toMatchObject({ status: 0 });
  });
});
