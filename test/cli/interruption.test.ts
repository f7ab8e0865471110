/** Signals that end the program. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Interruption } from '../../src/cli/interruption.ts';

type Sent = readonly [atMs: number, signal: 'SIGINT' | 'SIGTERM'];

/** Sends signals at their times, and tells what came of it. */
function afterSignals(sent: readonly Sent[]) {
  let now = 0;
  const exits: number[] = [];
  const source = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) });
  using interruption = new Interruption(source, () => now);
  for (const [at, signal] of sent) {
    now = at;
    source.emit(signal, signal);
  }
  const { ended, signal } = interruption;
  return { exits, ended, aborted: signal.aborted, reason: signal.reason };
}

test.each<[what: string, sent: Sent[], exits: number[], ended: [string, number] | undefined]>([
  ['none', [], [], undefined],
  ['Ctrl-C: in order', [[0, 'SIGINT']], [], ['SIGINT', 130]],
  ['SIGTERM: in order', [[0, 'SIGTERM']], [], ['SIGTERM', 143]],
  [
    'one that npm passes on, too',
    [
      [0, 'SIGINT'],
      [3, 'SIGINT'],
      [499, 'SIGINT'],
    ],
    [],
    ['SIGINT', 130],
  ],
  [
    'Ctrl-C again: at once',
    [
      [0, 'SIGINT'],
      [3, 'SIGINT'],
      [500, 'SIGINT'],
    ],
    [130],
    ['SIGINT', 130],
  ],
  [
    'another signal: at once',
    [
      [0, 'SIGINT'],
      [3, 'SIGTERM'],
    ],
    [143],
    ['SIGINT', 130],
  ],
])('%s', (_, sent, exits, ended) => {
  const outcome = afterSignals(sent);
  expect(outcome.exits).toEqual(exits);
  expect(outcome.ended).toEqual(ended && { by: ended[0], exitCode: ended[1] });
  expect(outcome.aborted).toBe(ended !== undefined);
  if (ended !== undefined) expect(outcome.reason).toMatchObject({ name: 'AbortError' });
});

test('listens no longer than it lives', () => {
  const source = Object.assign(new EventEmitter(), { exit() {} });
  {
    using _ = new Interruption(source);
    expect(source.eventNames()).toEqual(['SIGINT', 'SIGTERM']);
  }
  expect(source.eventNames()).toEqual([]);
});

test('after a signal it listens on, so that the same one does not end the program otherwise', () => {
  const source = Object.assign(new EventEmitter(), { exit() {} });
  {
    using _ = new Interruption(source);
    source.emit('SIGINT', 'SIGINT');
  }
  expect(source.eventNames()).toEqual(['SIGINT', 'SIGTERM']);
});
