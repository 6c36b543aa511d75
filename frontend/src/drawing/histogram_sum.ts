/** Linear histograms of several blocks as one: edges lie on multiples of powers of two, so that nothing is guessed. */

import { type LinearHistogram } from "./histogram";

/** More than a drawing can show. */
const mostBins = 4096;

/**
 * That of the widest bins of all. Values that are all equal are in a bin as narrow as their last digit: where such bins lie
 * far from each other, that of wider ones.
 */
function exponentFor(histograms: readonly LinearHistogram[]): number {
  let exponent = Math.max(...histograms.map((histogram) => histogram.exponent));
  const lows = histograms.map((one) => one.first_bin * 2 ** one.exponent);
  const highs = histograms.map((one) => (one.first_bin + one.counts.length) * 2 ** one.exponent);
  const extent = Math.max(...highs) - Math.min(...lows);
  while (extent > mostBins * 2 ** exponent) exponent++;
  return exponent;
}

export function sumLinear(histograms: readonly LinearHistogram[]): LinearHistogram | null {
  if (histograms.length === 0) return null;
  const exponent = exponentFor(histograms);
  const counts = new Map<number, number>();
  for (const histogram of histograms) {
    const together = 2 ** (exponent - histogram.exponent);
    histogram.counts.forEach((count, i) => {
      const bin = Math.floor((histogram.first_bin + i) / together);
      counts.set(bin, (counts.get(bin) ?? 0) + count);
    });
  }
  const bins = [...counts.keys()];
  const first = bins.reduce((a, b) => Math.min(a, b));
  const last = bins.reduce((a, b) => Math.max(a, b));
  return {
    exponent,
    first_bin: first,
    counts: Array.from({ length: last - first + 1 }, (_, i) => counts.get(first + i) ?? 0),
  };
}
