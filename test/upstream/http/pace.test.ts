import { describe, expect, test } from 'vitest';
import { Pace, type PaceOptions } from '../../../src/upstream/http/pace.ts';

/** Chunks of which each takes its time by a clock that does not move otherwise. */
function source(chunks: readonly (readonly [waitMs: number, bytes: number])[]) {
  const clock = { nowMs: 0 };
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const [waitMs, bytes] of chunks) {
      clock.nowMs += waitMs;
      yield new Uint8Array(bytes);
    }
  }
  return { clock, body: body() };
}

/** Bytes read, and how it ended. */
async function outcome(
  chunks: readonly (readonly [waitMs: number, bytes: number])[],
  options: Partial<PaceOptions> = {},
  readingMs = 0,
): Promise<{ bytes: number; kind: unknown }> {
  const { clock, body } = source(chunks);
  const pace = new Pace({ totalMs: 1e9, now: () => clock.nowMs, ...options });
  let bytes = 0;
  try {
    for await (const chunk of pace.through(body, 'http://cache.test/x')) {
      bytes += chunk.length;
      clock.nowMs += readingMs;
    }
    return { bytes, kind: undefined };
  } catch (error) {
    return { bytes, kind: Object(error).facts?.kind };
  }
}

const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

describe('the pace of a body', () => {
  test.each([
    // name, chunks, options, bytes read, kind
    ['fast', times(100, [1, 1000] as const), {}, 100_000, undefined],
    ['slow but fast enough', times(20, [10_000, 2560] as const), {}, 51_200, undefined],
    ['a byte every ten seconds', times(100, [10_000, 1] as const), {}, 5, 'slow'],
    ['nothing ever, in empty chunks', times(100, [10_000, 0] as const), {}, 0, 'slow'],
    ['a burst, then drops', [[1, 1e6], ...times(20, [10_000, 1] as const)], {}, 1_000_011, 'slow'],
    [
      'a drip, where any speed will do',
      times(100, [10_000, 1] as const),
      { slowestBytesPerSecond: 0 },
      100,
      undefined,
    ],
    [
      'too long altogether',
      times(100, [1000, 9999] as const),
      { totalMs: 5000 },
      5 * 9999,
      'totalTimeout',
    ],
  ] as const)('%s', async (_, chunks, options, bytes, kind) => {
    expect(await outcome(chunks, options)).toEqual({ bytes, kind });
  });

  test('is not that of its reader', async () => {
    const chunks = times(50, [1, 10] as const);
    expect(await outcome(chunks, { totalMs: 100 }, 60_000)).toEqual({
      bytes: 500,
      kind: undefined,
    });
  });

  test('reaches the source when it is left', async () => {
    let left = false;
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield new Uint8Array(1);
      } finally {
        left = true;
      }
    }
    for await (const _ of new Pace({ totalMs: 1 }).through(body(), 'x')) break;
    expect(left).toBe(true);
  });
});
