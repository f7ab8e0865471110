/** Errors as one line for people. */
import { expect, test } from 'vitest';
import { errorLine } from '../../src/cli/errorLine.ts';
import { NarthexError } from '../../src/errors.ts';

const unsigned = new NarthexError('SIGNATURE_MISSING', 'x is signed by nobody');
const needs = (cause: NarthexError) => new NarthexError('REFERENCE_FAILED', 'y needs x', {}, cause);
const advice = 'name its key with --trusted-public-keys, or take it with --no-check-sigs';

test.each([
  ['message and code', new NarthexError('USAGE', 'no store path'), 'no store path [USAGE]'],
  ['what to do', unsigned, `x is signed by nobody; ${advice} [SIGNATURE_MISSING]`],
  ['what to do about a reference', needs(unsigned), `y needs x; ${advice} [REFERENCE_FAILED]`],
  ['… far below', needs(needs(unsigned)), `y needs x; ${advice} [REFERENCE_FAILED]`],
  ['several lines', new NarthexError('USAGE', 'one\r\ntwo\u2028\u001b[2J'), 'one two [2J [USAGE]'],
  ['what is no error of ours', new TypeError('odd\nness'), 'TypeError: odd ness'],
])('%s', (_, error, line) => {
  expect(errorLine(error)).toBe(line);
});
