/** The table that `npm run bench` prints. */
import { describe, expect, test } from 'vitest';
import { spreadOf } from '../../scripts/bench/measure/spread.ts';
import { formatSpread, isMet, type Row, renderTable } from '../../scripts/bench/table.ts';

const row = (fields: Partial<Row>): Row => ({
  of: 'mirror',
  what: 'xz → RAM',
  value: spreadOf([100, 110, 120]),
  unit: 'MB/s',
  ...fields,
});

describe('formatSpread', () => {
  test.each([
    { values: [1234.5, 1234.5], text: '1235 (1235–1235)' },
    { values: [0.0123], text: '0.0123' },
    { values: [1, 2, 3], text: '2.00 (1.00–3.00)' },
    { values: [0], text: '0.00' },
  ])('$values', ({ values, text }) => {
    expect(formatSpread(spreadOf(values))).toBe(text);
  });
});

describe('isMet', () => {
  const target = { atLeast: 2.6 };
  test.each([
    { name: 'no target', fields: {}, met: undefined },
    { name: 'value at least', fields: { target: { atLeast: 110 } }, met: true },
    { name: 'value below', fields: { target: { atLeast: 111 } }, met: false },
    { name: 'value above the most', fields: { target: { atMost: 109 } }, met: false },
    { name: 'the ratio counts', fields: { target, ratio: spreadOf([2.6]) }, met: true },
    { name: 'ratio below', fields: { target, ratio: spreadOf([2.5]) }, met: false },
    { name: 'no number', fields: { target, ratio: spreadOf([Number.NaN]) }, met: false },
  ])('$name', ({ fields, met }) => {
    expect(isMet(row(fields))).toBe(met);
  });
});

test('is Markdown, and says of each ratio what it is of', () => {
  const rows = [
    row({}),
    row({
      what: 'nix copy',
      cpuSeconds: spreadOf([1.234]),
      ratio: spreadOf([1.5]),
      ratioOf: 'narthex ÷ this',
      target: { atLeast: 1.7 },
    }),
  ];
  const lines = renderTable(rows).split('\n');
  const cells = lines.map((line) => line.split('|').map((cell) => cell.trim()));
  expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
  expect(cells.map(({ length }) => length)).toEqual([9, 9, 9, 9]);
  expect(cells[2]?.slice(1, 5)).toEqual(['mirror', 'xz → RAM', '110 (100–120) MB/s', '']);
  expect(cells[3]?.slice(4, 8)).toEqual(['1.23', '1.50×', 'narthex ÷ this', '≥ 1.7 MISSED']);
});
