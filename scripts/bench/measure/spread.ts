/** What repeated measuring gives: a median, and how far the values lie apart. */

/** The middle and the ends of some values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many values. */
  readonly count: number;
}

/** @throws RangeError of no values */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  const [min, max] = [sorted[0], sorted[length - 1]];
  const [low, high] = [sorted[(length - 1) >> 1], sorted[length >> 1]];
  if (min === undefined || max === undefined || low === undefined || high === undefined) {
    throw new RangeError('no values to take the median of');
  }
  return { median: (low + high) / 2, min, max, count: length };
}

/**
 * The ratios of two things that were measured in turn, round by round: what slowed the machine down
 * in one round slowed both.
 * @throws RangeError they were not measured equally often
 */
export function ratiosOf(numerators: readonly number[], denominators: readonly number[]): Spread {
  if (numerators.length !== denominators.length) {
    throw new RangeError(`${numerators.length} values against ${denominators.length}`);
  }
  return spreadOf(numerators.map((value, round) => value / (denominators[round] ?? Number.NaN)));
}
