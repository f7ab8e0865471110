import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../../src/errors.ts';
import { upstreamFailed } from '../../../src/upstream/failure.ts';
import {
  isRetriedS3Error,
  isRetriedStatus,
  RETRY_ATTEMPTS,
  RetryBudget,
  type RetryOptions,
  retryAfterMs,
} from '../../../src/upstream/http/retry.ts';

const NEVER = new AbortController().signal;
const FAILURE = upstreamFailed('reset', 'http://cache.test', 'the connection broke');

/** A clock that moves only by sleeping. */
function fakeClock() {
  let nowMs = Date.parse('2026-11-22T00:00:00Z');
  const delays: number[] = [];
  const now = () => nowMs;
  const sleep = async (delayMs: number) => {
    delays.push(delayMs);
    nowMs += delayMs;
  };
  return { delays, now, sleep };
}

async function delaysOf(options: RetryOptions, retryAfter?: string): Promise<number[]> {
  const { delays, ...clock } = fakeClock();
  const budget = new RetryBudget({ ...clock, ...options });
  while (await budget.next(NEVER, FAILURE, retryAfter));
  expect(budget.attempts).toBe(delays.length + 1);
  return delays;
}

type Wait = readonly [
  name: string,
  options: RetryOptions,
  retryAfter: string | undefined,
  delaysMs: readonly number[],
];

const WAITS: readonly Wait[] = [
  ['the shortest', { random: () => 0 }, undefined, [125, 250, 500, 1000]],
  ['the longest', { random: () => 1 }, undefined, [250, 500, 1000, 2000]],
  ['no retries', { attempts: 1 }, undefined, []],
  ['capped', { random: () => 1, maxDelayMs: 600 }, undefined, [250, 500, 600, 600]],
  ['until the budget ends', { random: () => 1, budgetMs: 800 }, undefined, [250, 500]],
  ['as the server asks', { random: () => 1, attempts: 3 }, '3', [3000, 3000]],
  ['not shorter than usual', { random: () => 1, attempts: 3 }, '0', [250, 500]],
  ['longer than the budget', { retryAfterMaxMs: 1e9 }, '3600', []],
  ['longer than is waited for', { budgetMs: 1e9 }, '31', []],
  ['as long as is waited for', { budgetMs: 1e9, attempts: 2 }, '30', [30_000]],
  ['until a date', { attempts: 2 }, 'Sun, 22 Nov 2026 00:00:09 GMT', [9000]],
];

describe('the waits', () => {
  test.each(WAITS)('%s', async (_, options, retryAfter, expected) => {
    expect(await delaysOf(options, retryAfter)).toEqual(expected);
  });

  test('are by chance', async () => {
    const [first] = await delaysOf({});
    expect(first).toBeGreaterThanOrEqual(125);
    expect(first).toBeLessThanOrEqual(250);
    expect(await delaysOf({})).toHaveLength(RETRY_ATTEMPTS - 1);
  });

  test('end with an abort and its reason', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const waiting = new RetryBudget({ baseDelayMs: 1e6, maxDelayMs: 1e6, budgetMs: 1e9 }).next(
      controller.signal,
      FAILURE,
    );
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

describe('the error of all attempts', () => {
  const { now, sleep } = fakeClock();
  const options = { now, sleep, attempts: 3 };
  const refused = new NarthexError('UPSTREAM_STATUS', 'busy', { status: 503 });

  test('names each of them', async () => {
    const budget = new RetryBudget(options);
    await budget.next(
      NEVER,
      upstreamFailed('bodyTimeout', 'u', 'the answer stalled', { offset: 7 }),
    );
    await budget.next(NEVER, refused, '2');
    expect(await budget.next(NEVER, refused, '3600')).toBe(false);
    expect(budget.exhausted(refused)).toMatchObject({
      code: 'UPSTREAM_STATUS',
      message: 'busy (3 attempts)',
      facts: {
        status: 503,
        attempts: 3,
        failures: [
          'bodyTimeout at byte 7',
          'status 503, Retry-After 2 s',
          'status 503, Retry-After 3600 s',
        ],
        retryAfterMs: 3_600_000,
      },
    });
  });

  test('says what came last, though it was not to be tried again', async () => {
    const budget = new RetryBudget(options);
    await budget.next(NEVER, FAILURE);
    const last = upstreamFailed('tls', 'u', 'bad certificate');
    expect(budget.exhausted(last).facts).toMatchObject({ attempts: 2, failures: ['reset', 'tls'] });
  });

  test('of one that goes on for ever tells of the last ones', async () => {
    const budget = new RetryBudget(options);
    for (let count = 0; count < 100; count++) {
      budget.renew();
      expect(await budget.next(NEVER, FAILURE)).toBe(true);
    }
    expect(budget.exhausted(refused).facts['failures']).toHaveLength(10);
  });

  test('leaves alone what is not about the upstream', () => {
    const other = new NarthexError('LIMIT_EXCEEDED', 'too long');
    expect(new RetryBudget(options).exhausted(other)).toBe(other);
  });
});

test.each([
  [undefined, undefined],
  ['120', 120_000],
  [' 5 ', 5_000],
  ['-1', undefined],
  ['soon', undefined],
  ['', undefined],
  ['Sun, 22 Nov 2026 00:01:00 GMT', 60_000],
  ['Sat, 21 Nov 2026 00:00:00 GMT', 0],
])('Retry-After %j is %s ms', (header, expected) => {
  expect(retryAfterMs(header, Date.parse('2026-11-22T00:00:00Z'))).toBe(expected);
});

test('the statuses that pass', () => {
  const passing = [];
  for (let status = 100; status < 600; status++) if (isRetriedStatus(status)) passing.push(status);
  const final = [501, 505, 511];
  const serverErrors = Array.from({ length: 100 }, (_, index) => 500 + index);
  expect(passing).toEqual([408, 429, ...serverErrors.filter((status) => !final.includes(status))]);
});

test.each([
  [403, 'RequestTimeTooSkewed', true],
  [403, 'AccessDenied', false],
  [403, 'RequestTimeout', false],
  [400, 'RequestTimeout', true],
  [400, 'RequestTimeTooSkewed', false],
  [404, 'RequestTimeout', false],
])('S3 answers %i %s: %s', (status, code, expected) => {
  const xml = `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>…</Message></Error>`;
  expect(isRetriedS3Error(status, xml)).toBe(expected);
});
