/** The counts that a test run ends with are those of its tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { formatCounts, type TestCounts } from './reporter.ts';
import { temporaryDirectory } from './support/temporaryDirectory.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const framework = "import { beforeAll, describe, test } from 'vitest';\n";

test.each<[what: string, files: Record<string, string>, counts: TestCounts, skipped: string[]]>([
  [
    'tests that pass and fail',
    { a: "test('a', () => {}); test('b', () => { throw new Error('no'); });" },
    { passed: 1, failed: 1, skipped: 0 },
    [],
  ],
  [
    'skipped tests, with their reasons',
    { a: "test('a', ({ skip }) => skip('no nix')); test.skip('b', () => {}); test.todo('c');" },
    { passed: 0, failed: 0, skipped: 3 },
    ['skipped: a.test.ts > a: no nix', 'skipped: a.test.ts > b', 'skipped: a.test.ts > c: to do'],
  ],
  [
    'a file that does not load beside one that does',
    { a: "import './missing.ts';", b: "test('b', () => {});" },
    { passed: 1, failed: 1, skipped: 0 },
    [],
  ],
  [
    'a suite whose hook fails',
    { a: "describe('s', () => { beforeAll(() => { throw 1; }); test('a', () => {}); });" },
    { passed: 0, failed: 1, skipped: 1 },
    ['skipped: a.test.ts > s > a'],
  ],
  [
    'an error outside of every test',
    { a: "test('a', () => {}); setTimeout(() => { throw new Error('late'); });" },
    { passed: 1, failed: 1, skipped: 0 },
    [],
  ],
  ['no test at all', {}, { passed: 0, failed: 1, skipped: 0 }, []],
])('%s', async (_what, files, counts, skipped) => {
  await using directory = await temporaryDirectory('reporter');
  const at = (name: string) => join(directory.path, name);
  fs.symlinkSync(join(root, 'node_modules'), at('node_modules'));
  for (const [name, source] of Object.entries(files)) {
    fs.writeFileSync(at(`${name}.test.ts`), framework + source);
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporter = join(root, 'test/reporter.ts');
  const args = ['run', '--root', directory.path, '--reporter', reporter];
  const env = { ...process.env, NARTHEX_TEST_COUNTS: at('counts.json') };
  const child = spawn(process.execPath, [vitest, ...args], { cwd: directory.path, env });
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);

  expect(JSON.parse(fs.readFileSync(at('counts.json'), 'utf8'))).toEqual(counts);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.at(-1)).toBe(formatCounts(counts));
  expect(lines.filter((line) => line.startsWith('skipped: '))).toEqual(skipped);
  expect(code).toBe(counts.failed === 0 ? 0 : 1);
});
