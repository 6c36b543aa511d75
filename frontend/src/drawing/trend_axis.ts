/** The vertical axis of small trends: one for all that are to be compared. */

export interface TrendAxis {
  low: number;
  high: number;
  /** Whether heights are those of logarithms. */
  isLog: boolean;
}

/** Values that span less than a decade show their shape on a linear axis. */
const leastSpan = 10;

/** Over all the values; shares and counts from zero on, to the whole where there is one. */
export function trendAxis(values: readonly number[], fromZero: boolean, whole: number | null): TrendAxis {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low > high) return { low: 0, high: 1, isLog: false };
  if (fromZero) return { low: 0, high: Math.max(whole ?? high, high), isLog: false };
  return { low, high, isLog: low > 0 && high > leastSpan * low };
}

/** 0 at the lower end, 1 at the upper; values that are all equal lie at the lower end where that is zero. */
export function trendHeight({ low, high, isLog }: TrendAxis, value: number): number {
  if (low === high) return low === 0 ? 0 : 0.5;
  return isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}
