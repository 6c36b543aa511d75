import { describe, expect, it } from "vitest";
import { gatesOf } from "./matrix_gates";

const gates = ["input", "forget", "cell", "output"];

describe("the gates of a matrix", () => {
  it("are those of its layer, where its columns are theirs", () => {
    expect(gatesOf({ gates }, "forward/kernel", 32)).toEqual(gates);
    expect(gatesOf({ gates }, "backward/bias", 4)).toEqual(gates);
    expect(gatesOf({ gates }, "forward/kernel", 30)).toEqual([]);
    expect(gatesOf({ gates: [] }, "forward/kernel", 32)).toEqual([]);
  });

  it("are none of a projection, which may be as wide as they are", () => {
    expect(gatesOf({ gates }, "forward/projection_kernel", 4)).toEqual([]);
    expect(gatesOf({ gates }, "backward/projection_kernel", 64)).toEqual([]);
  });
});
