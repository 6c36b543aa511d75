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

  it("are not torn into millions of bins where each has one value only, far from that of the other", () => {
    const ones = { exponent: -29, first_bin: 2 ** 29, counts: [5] };
    const minusOnes = { exponent: -29, first_bin: -(2 ** 29), counts: [7] };
    const sum = sumLinear([ones, minusOnes, { exponent: -132, first_bin: 0, counts: [3] }]);
    const width = 2 ** (sum?.exponent ?? 0);
    const filled = (sum?.counts ?? []).flatMap((count, i) =>
      count === 0 ? [] : [[((sum?.first_bin ?? 0) + i) * width, count]],
    );
    expect(filled).toEqual([
      [-1, 7],
      [0, 3],
      [1, 5],
    ]);
    expect(sum?.counts.length).toBeLessThan(5000);
  });

  it("are none where there are none, and the one where there is one", () => {
    expect(sumLinear([])).toBeNull();
    const one = { exponent: 3, first_bin: 7, counts: [1, 0, 2] };
    expect(sumLinear([one])).toEqual(one);
  });
});
