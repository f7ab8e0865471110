/** The line that shows how far a verification is. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { terminalLine } from '../../src/cli/verifyDisplay.ts';
import { NarthexError } from '../../src/errors.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('one line is drawn again and again, cut to the terminal, and taken away at the end', () => {
  const written: string[] = [];
  const output = {
    columns: 40,
    rows: 24,
    write: (text: string | Uint8Array) => written.push(String(text)) > 0,
  };
  const display = terminalLine(output);
  display.show({ type: 'progress', phase: 'records', done: 5, total: 20 });
  vi.advanceTimersByTime(100);
  const error = new NarthexError('STORE_INVALID', 'a pack is gone', {});
  display.show({ type: 'damage', subject: { type: 'pack', number: 1 }, error });
  display.show({ type: 'failed', storePath: '/nix/store/x', error });
  display.show({ type: 'progress', phase: 'repair', done: 1_000_000, total: 2_000_000 });
  vi.advanceTimersByTime(100);
  display.end();
  vi.advanceTimersByTime(1000);
  expect(written).toEqual([
    '\rrecords: 5/20 (25%)\x1b[K',
    '\rfailed: /nix/store/x: a pack is gone [STORE_INVALID]\x1b[K\n',
    '\rrecords: 5/20 (25%) · 1 damaged\x1b[K',
    '\rrepairing paths: 1000000/2000000 (50%) \x1b[K',
    '\r\x1b[K',
  ]);
});
