/** What is seen of a mirror run on a terminal. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MirrorTally } from '../../src/cli/mirrorTally.ts';
import { terminalDisplay } from '../../src/cli/terminalDisplay.ts';
import type { IngestEvent } from '../../src/httpService.ts';
import { FIXTURE_KEYS, PROGRAM, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';
import { becauseOf, eventsOf, NAR_MISSING } from './mirrorEvents.ts';
import { Screen } from './screen.ts';

const REFRESH_MS = 100;
const PROMPT = '$ narthex mirror\n';

/** util-linux's `script`, which runs programs on a terminal; others take other options. */
const hasScript = /util-linux/.test(String(spawnSync('script', ['--version']).stdout));

describe('a display', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A display on a screen; time goes by when a test says so. */
  function displayOn(screen: Screen, wanted: readonly string[] = []) {
    const size = { columns: screen.columns, rows: screen.rows };
    const output = Object.assign(size, { write: (written: string) => screen.write(written) });
    const tally = new MirrorTally(() => Date.now());
    screen.write(PROMPT);
    const display = terminalDisplay(output, new Set(wanted));
    return {
      output,
      show(...events: readonly IngestEvent[]) {
        for (const event of events) {
          tally.add(event);
          display.show(event, tally);
        }
      },
      wait: (ms: number) => vi.advanceTimersByTime(ms),
      end: () => display.end(),
    };
  }

  const paths = Array.from({ length: 7 }, (_, i) => eventsOf(`path-${i}`, 10 ** (i + 1)));
  const [small, ...larger] = paths;
  if (small === undefined) throw new Error('there are seven');

  test('shows what is done, how fast, how long it takes, and what is in flight', () => {
    const screen = new Screen(80, 24);
    const { show, wait } = displayOn(screen);
    show(...paths.flatMap(({ found, fetching }) => [found, fetching]));
    wait(2000);
    show(...larger.map(({ progress }) => progress(50)));
    wait(2000);
    expect(screen.text).toBe(
      [
        '$ narthex mirror',
        '0/7 paths · 300 B of 11 MB · 75 B/s · 4.0 s, 41:09:04 left',
        '    0%   10 MB  path-6',
        '    0%  1.0 MB  path-5',
        '    0%  100 kB  path-4',
        '    0%   10 kB  path-3',
        '  and 3 more',
      ].join('\n'),
    );
    expect(screen.cursor).toEqual({ row: 7, column: 0 });
  });

  test('draws over itself, also with fewer lines than before', () => {
    const screen = new Screen(80, 24);
    const { show, wait } = displayOn(screen);
    show(...paths.flatMap(({ found, fetching }) => [found, fetching]));
    wait(REFRESH_MS);
    show(...paths.slice(1).map(({ fetched }) => fetched));
    wait(REFRESH_MS);
    expect(screen.text.split('\n').slice(2)).toEqual(['    0%    10 B  path-0']);
  });

  test('leaves nothing behind but failures', () => {
    const screen = new Screen(80, 24);
    const { show, wait, end } = displayOn(screen);
    show(small.found, small.fetching);
    wait(REFRESH_MS);
    show(small.failed(NAR_MISSING));
    wait(REFRESH_MS);
    const line = `failed: ${small.storePath}: the cache lost it [NAR_MISSING]`;
    // the line is longer than the screen is wide, and no part of it is lost
    const shown = () => screen.text.replaceAll('\n', '');
    expect(shown()).toContain(line);
    end();
    expect(shown()).toBe(`$ narthex mirror${line}`);
    expect(screen.cursor).toEqual({ row: 3, column: 0 });
    wait(10 * REFRESH_MS);
    expect(shown()).toBe(`$ narthex mirror${line}`);
  });

  test('says of a path that fails because of a reference only if it was asked for', () => {
    const [above, top] = [larger[0], larger[1]];
    if (above === undefined || top === undefined) throw new Error('there are seven');
    const screen = new Screen(200, 24);
    const { show, end } = displayOn(screen, [top.storePath.hashPart]);
    show(small.found, above.found, top.found, small.failed(NAR_MISSING));
    show(above.failed(becauseOf(small)), top.failed(becauseOf(small)));
    end();
    expect(screen.text.split('\n').slice(1)).toEqual([
      expect.stringContaining(small.storePath.baseName),
      expect.stringContaining(top.storePath.baseName),
    ]);
  });

  test('shows nothing of a run that is over at once', () => {
    const screen = new Screen(80, 24);
    const { show, end } = displayOn(screen);
    show(small.found, small.fetching, small.fetched);
    end();
    expect(screen.text).toBe('$ narthex mirror');
    expect(screen.cursor).toEqual({ row: 1, column: 0 });
  });

  test.each([
    ['narrow', 20, 24],
    ['low', 80, 3],
    ['tiny', 10, 2],
  ])('a terminal that is %s: no line wraps, nothing scrolls', (_, columns, rows) => {
    const screen = new Screen(columns, rows);
    screen.write('\r');
    const output = { columns, rows, write: (written: string) => screen.write(written) };
    const tally = new MirrorTally(() => Date.now());
    const display = terminalDisplay(output, new Set());
    for (const event of paths.flatMap(({ found, fetching }) => [found, fetching])) {
      tally.add(event);
      display.show(event, tally);
    }
    for (let i = 0; i < 5; i++) vi.advanceTimersByTime(REFRESH_MS);
    expect(screen.scrolled).toEqual([]);
    const lines = screen.text.split('\n');
    expect(lines.length).toBe(Math.min(6, rows - 1));
    expect(lines.every((line) => line.length < columns)).toBe(true);
    display.end();
    expect(screen.text).toBe('');
  });

  test('a terminal that becomes narrower has wrapped what was drawn: all of it is drawn over', () => {
    const before = new Screen(80, 24);
    const { output, show, wait } = displayOn(before);
    show(...paths.flatMap(({ found, fetching }) => [found, fetching]));
    wait(REFRESH_MS);
    const after = new Screen(30, 24);
    after.write(`${before.text}\n`);
    Object.assign(output, { columns: 30, write: (written: string) => after.write(written) });
    wait(REFRESH_MS);
    expect(after.text.split('\n').map((line) => line.trim().slice(0, 9))).toEqual([
      '$ narthex',
      '0/7 paths',
      ...['0%   10 M', '0%  1.0 M', '0%  100 k', '0%   10 k'],
      'and 3 mor',
    ]);
  });
});

describe.skipIf(!hasScript)('the program on a terminal (needs script)', () => {
  /** Runs it below `script`, which gives it a terminal, and what it wrote there. */
  function onTerminal(environment: NodeJS.ProcessEnv, args: readonly string[]) {
    const quoted = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
    const command = `stty columns 70 rows 20 && exec ${quoted}`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], { env: environment });
    return { child, written: text(child.stdout), ended: once(child, 'close') };
  }

  test('draws while it goes on; what is left is one line', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using server = await serveStatic(fixtureCache.directory, {
      respond: ({ path }) =>
        path.startsWith('nar/') ? { pause: { at: 10, until: held } } : undefined,
    });
    await using cli = await temporaryCli();
    const args = ['mirror', '--from', server.url, ...FIXTURE_KEYS, fixtureCache.root];
    const { child, written, ended } = onTerminal({ ...cli.environment, TERM: 'xterm' }, args);
    const drawn = Promise.withResolvers<void>();
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (/0\/35 paths .*more/s.test(seen)) drawn.resolve();
    });
    await Promise.race([drawn.promise, ended]);
    release();
    const screen = new Screen(70, 20);
    screen.write(await written);
    const [exitCode] = await ended;
    expect(exitCode).toBe(0);
    expect(screen.text).toMatch(/^35 paths mirrored: 1\.7 MB of NAR in .*$/);
    expect(screen.scrolled).toEqual([]);
    expect(screen.cursor).toEqual({ row: 1, column: 0 });
  });

  test('a terminal that cannot move its cursor gets lines', async () => {
    await using cli = await temporaryCli();
    const args = ['mirror', '--from', fixtureCache.directory, ...FIXTURE_KEYS, fixtureCache.root];
    const { written, ended } = onTerminal({ ...cli.environment, TERM: 'dumb' }, args);
    expect(await written).not.toContain('\x1b');
    await ended;
  });
});
