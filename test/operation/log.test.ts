/** Logs: what passes, and how it is written. */
import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { LOG_LEVELS, Log, type LogEntry } from '../../src/operation/log.ts';
import { type LogLinesOptions, logLines } from '../../src/operation/logLines.ts';

test.each(LOG_LEVELS)('level %s passes on what weighs as much or more', (level) => {
  const passed: string[] = [];
  const log = new Log(level, (entry) => passed.push(entry.level));
  for (const one of LOG_LEVELS) log.write(one, 'event');
  expect(passed).toEqual(LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1));
});

/** The line of an entry. */
function lineOf(entry: Partial<LogEntry>, options: Partial<LogLinesOptions>): string {
  const lines: string[] = [];
  const sink = logLines({
    format: 'text',
    write: (line) => lines.push(line),
    now: () => new Date(0),
    ...options,
  });
  sink({ level: 'info', event: 'event', facts: {}, ...entry });
  return lines.join('');
}

const TIME = '1970-01-01T00:00:00.000Z';
const failure = new NarthexError('UPSTREAM_STATUS', 'it answered with\nstatus 503', {
  url: 'http://x',
  status: 503,
});

describe('for people', () => {
  const text = (entry: Partial<LogEntry>, journal = false) => lineOf(entry, { journal });

  test.each<[what: string, entry: Partial<LogEntry>, line: string]>([
    ['an event', {}, `${TIME} info  event\n`],
    [
      'its facts, but those that are not known',
      { facts: { path: '/x', status: 200, whole: true, bytes: undefined } },
      `${TIME} info  event path=/x status=200 whole=true\n`,
    ],
    ['what has spaces', { facts: { a: 'b c=d "e"' } }, `${TIME} info  event a="b c=d \\"e\\""\n`],
    [
      'an error of ours: message and code, in one line',
      { level: 'warn', error: failure },
      `${TIME} warn  event: it answered with status 503 [UPSTREAM_STATUS]\n`,
    ],
  ])('%s', (_, entry, line) => {
    expect(text(entry)).toBe(line);
  });

  test('of a fault of ours the stack, in one line', () => {
    const line = text({ level: 'error', error: new Error('oops') });
    expect(line).toMatch(/^\S+ error event: Error: oops at .*log\.test\.ts.*\n$/);
  });

  test('under systemd: the priority, and no time', () => {
    const lines = LOG_LEVELS.map((level) => text({ level }, true));
    expect(lines).toEqual([
      '<3>error event\n',
      '<4>warn  event\n',
      '<6>info  event\n',
      '<7>debug event\n',
    ]);
  });
});

describe('as JSON', () => {
  test('an object, with the facts and the error as data', () => {
    const entry = { level: 'warn', facts: { path: '/x', status: 503 }, error: failure } as const;
    const line = lineOf(entry, { format: 'json' });
    expect(line).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(line)).toEqual({
      time: TIME,
      level: 'warn',
      event: 'event',
      path: '/x',
      status: 503,
      error: {
        code: 'UPSTREAM_STATUS',
        message: 'it answered with\nstatus 503',
        facts: { url: 'http://x', status: 503 },
      },
    });
  });

  test('a fault of ours with its stack', () => {
    const { error } = JSON.parse(lineOf({ error: new Error('oops') }, { format: 'json' }));
    expect(error).toEqual({
      message: 'oops',
      stack: expect.stringMatching(/^Error: oops\n.* at /),
    });
  });

  test('under systemd: behind the priority, and no time', () => {
    const line = lineOf({ level: 'error' }, { format: 'json', journal: true });
    expect(line).toBe('<3>{"level":"error","event":"event"}\n');
  });
});

describe.each(['text', 'json'] as const)('%s: what comes from outside', (format) => {
  test.each([
    ['line breaks', 'a\nb\r\u2028c'],
    ['what moves a cursor', '\u001b[2J'],
  ])('is one harmless line: %s', (_, text) => {
    const line = lineOf({ facts: { text }, error: new Error(text) }, { format });
    expect(line.trimEnd()).not.toMatch(/[\n\r\u2028\u001b]/);
  });

  test('is cut off', () => {
    const long = 'x'.repeat(1_000_000);
    const error = new NarthexError('NARINFO_INVALID', long, { actual: long });
    expect(lineOf({ facts: { long }, error }, { format }).length).toBeLessThan(20_000);
  });

  test.each([
    ['user and password of a URL', 'https://ci:hunter2@cache.example/x'],
    ['a password with an @', 'https://ci:p@hunter2@cache.example/x'],
    ['a bearer token', 'authorization: Bearer hunter2'],
    ['a login', 'authorization: basic hunter2='],
  ])('shows no secret: %s', (_, text) => {
    const error = new NarthexError('UPSTREAM_FAILED', text, { url: text }, new Error(text));
    expect(lineOf({ facts: { text }, error }, { format })).not.toContain('hunter2');
    expect(lineOf({ error: new Error(text) }, { format })).not.toContain('hunter2');
  });
});
