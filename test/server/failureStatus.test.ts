import { expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { statusOfFailure } from '../../src/server/failureStatus.ts';

test.each<[what: string, status: number, error: unknown]>([
  ['an upstream that is down', 502, new NarthexError('UPSTREAM_FAILED', '')],
  ['a NAR that is wrong', 502, new NarthexError('NAR_HASH_MISMATCH', '')],
  ['a peer that fails', 502, new NarthexError('PEER_FAILED', '')],
  ['a full line', 503, new NarthexError('LIMIT_EXCEEDED', '', { limit: 'waitingClosures' })],
  ['another limit', 500, new NarthexError('LIMIT_EXCEEDED', '', { limit: 'narBytes' })],
  ['a store that cannot be read', 500, new NarthexError('STORE_FAILED', '')],
  ['a fault of ours', 500, new TypeError()],
])('%s: %i', (_, status, error) => {
  expect(statusOfFailure(error)).toBe(status);
});
