/** The one table that a run prints. */
import type { Spread } from './measure/spread.ts';

/** What a figure is measured in. */
export type Unit = 'MB/s' | 's' | 'ms' | 'µs' | 'MB' | 'round trips' | '×' | '/s' | '';

/** A bound, met or not. */
export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line of the table. */
export interface Row {
  /** The case, as `--only` names it. */
  readonly of: string;
  /** What was measured: `xz → RAM, narthex`. */
  readonly what: string;
  readonly value: Spread;
  readonly unit: Unit;
  /** The value against another one, round by round. */
  readonly ratio?: Spread | undefined;
  /** What the ratio is of: `narthex ÷ nix copy`. */
  readonly ratioOf?: string | undefined;
  /** Of all processors together: on a busy machine it tells more than time by the clock. */
  readonly cpuSeconds?: Spread | undefined;
  /** For the ratio if there is one, else for the value. */
  readonly target?: Target | undefined;
}

/** Whether the median meets the target; `undefined` where there is none. */
export function isMet({ value, ratio, target }: Row): boolean | undefined {
  if (target === undefined) return undefined;
  const { median } = ratio ?? value;
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
  return median >= atLeast && median <= atMost;
}

const SIGNIFICANT_DIGITS = 3;

function formatNumber(value: number): string {
  const text = value.toPrecision(SIGNIFICANT_DIGITS);
  // no exponents: 1.23e+3 is 1230
  return text.includes('e') ? String(Math.round(value)) : text;
}

/** `12.3 (11.9–13.0)`; a single value has no noise to tell. */
export function formatSpread({ median, min, max, count }: Spread): string {
  if (count === 1) return formatNumber(median);
  return `${formatNumber(median)} (${formatNumber(min)}–${formatNumber(max)})`;
}

function formatTarget(row: Row): string {
  const { target } = row;
  if (target === undefined) return '';
  const bounds = [
    target.atLeast === undefined ? '' : `≥ ${target.atLeast}`,
    target.atMost === undefined ? '' : `≤ ${target.atMost}`,
  ];
  return `${bounds.filter((bound) => bound !== '').join(', ')} ${isMet(row) ? 'met' : 'MISSED'}`;
}

const HEADINGS = [
  'case',
  'measured',
  'median (min–max)',
  'CPU s',
  'ratio (min–max)',
  'of what',
  'target',
];

/** The rows as an aligned Markdown table. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.of,
    row.what,
    `${formatSpread(row.value)} ${row.unit}`.trim(),
    row.cpuSeconds === undefined ? '' : formatNumber(row.cpuSeconds.median),
    row.ratio === undefined ? '' : `${formatSpread(row.ratio)}×`,
    row.ratioOf ?? '',
    formatTarget(row),
  ]);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...cells.map((line) => (line[column] ?? '').length)),
  );
  const line = (texts: readonly string[], fill = ' ') =>
    `| ${texts.map((text, column) => text.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`;
  const rule = line(
    HEADINGS.map(() => ''),
    '-',
  );
  return [line(HEADINGS), rule, ...cells.map((texts) => line(texts))].join('\n');
}
