import { describe, expect, it } from "vitest";
import { sumLinear } from "./histogram_sum";

describe("linear histograms as one", () => {
  it("count each value in the wider bin that holds it", () => {
    // Bins of 1/4 from −1/2, and of 1 from −2.
    const narrow = { exponent: -2, first_bin: -2, counts: [1, 2, 3, 4, 5] };
    const wide = { exponent: 0, first_bin: -2, counts: [10, 20, 30] };
    expect(sumLinear([narrow, wide])).toEqual({ exponent: 0, first_bin: -2, counts: [10, 20 + 3, 30 + 12] });
    expect(sumLinear([narrow, { exponent: -2, first_bin: 5, counts: [7] }])).toEqual({
      exponent: -2,
      first_bin: -2,
      counts: [1, 2, 3, 4, 5, 0, 0, 7],
    });
  });

  it("are none where there are none, and the one where there is one", () => {
    expect(sumLinear([])).toBeNull();
    const one = { exponent: 3, first_bin: 7, counts: [1, 0, 2] };
    expect(sumLinear([one])).toEqual(one);
  });
});
