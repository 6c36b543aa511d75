import { describe, expect, it } from "vitest";
import { fileName } from "./file_name";

describe("the name of a file", () => {
  it("says what is in it", () => {
    expect(fileName(["lstm", "encoder/bilstm", "output_gradient", "step30", "sample0"], "npy")).toBe(
      "lstm_encoder-bilstm_output_gradient_step30_sample0.npy",
    );
    expect(fileName(["lstm \u2212 gru", "step30 \u2212 step0", "forward/kernel"], "csv")).toBe(
      "lstm-minus-gru_step30-minus-step0_forward-kernel.csv",
    );
  });

  it("holds nothing that a system or a shell would not take", () => {
    expect(fileName(["sweep/lr=0.1, n&1%", "..", 'a"b*c?', "\u00fcbung"], "png")).toBe(
      "sweep-lr=0.1-n-1_a-b-c_\u00fcbung.png",
    );
    expect(fileName(["", "/"], "svg")).toBe("rnn.svg");
    expect(fileName(["x".repeat(500)], "svg")).toHaveLength(204);
  });
});
