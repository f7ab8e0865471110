/** Durations and sizes of the command line. */
import type { OptionValues } from './command.ts';
import { text, wrongOption } from './options.ts';

const SECOND_MS = 1000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;

/** Milliseconds of a unit. */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 60 * 60 * SECOND_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};

/** Bytes of a unit: decimal as disks are sold, with `i` binary. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** The milliseconds of an option such as `30d`. @throws USAGE */
export function duration(values: OptionValues, name: string): number | undefined {
  const expected = 'a duration such as 30d (units: s, m, h, d, w)';
  return quantity(values, name, DURATION_UNITS, /^(\d+(?:\.\d+)?)([smhdw])$/, expected);
}

/** The bytes of an option such as `50G`. @throws USAGE */
export function size(values: OptionValues, name: string): number | undefined {
  const expected = 'a size such as 50G (units: k, M, G, T and Ki, Mi, Gi, Ti)';
  return quantity(values, name, SIZE_UNITS, /^(\d+(?:\.\d+)?)((?:[kMGT]|[KMGT]i)?)B?$/, expected);
}

function quantity(
  values: OptionValues,
  name: string,
  units: Readonly<Record<string, number>>,
  pattern: RegExp,
  expected: string,
): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const [, number, unit = ''] = pattern.exec(given) ?? [];
  const value = Number(number) * (units[unit] ?? Number.NaN);
  if (Number.isSafeInteger(Math.round(value))) return Math.round(value);
  throw wrongOption(name, expected, given);
}
