/** Whether processes that were written down still run: numbers are given to others later. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { livenessOf, ownIdentity } from '../../src/store/processIdentity.ts';

const own = ownIdentity();

test('this process is alive', () => {
  expect(livenessOf(own)).toBe('alive');
});

test.runIf(process.platform === 'linux').each([
  ['of another run of the machine', { boot: 'before' }, 'gone'],
  ['whose number another process has by now', { startedAt: '1' }, 'gone'],
  ['whose number a process that is always there has', { pid: 1, startedAt: '1' }, 'gone'],
  ['of another container', { namespace: 'elsewhere' }, 'unknown'],
] as const)('one %s', (_name, difference, liveness) => {
  expect(livenessOf({ ...own, ...difference })).toBe(liveness);
});

test('one that has ended, or was ended and nobody has waited for it', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  expect(livenessOf({ ...own, pid, startedAt })).toBe('alive');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(livenessOf({ ...own, pid, startedAt })).toBe('gone');
});

/** Signals to processes of other users are refused; needs the right to become one. */
const NOBODY = 65_534;
const SOURCE = new URL('../../src/store/processIdentity.ts', import.meta.url).href;
const script = `
  import { livenessOf, ownIdentity } from ${JSON.stringify(SOURCE)};
  process.setuid(${NOBODY});
  const [pid, startedAt] = process.argv.slice(1);
  process.stdout.write(livenessOf({ ...ownIdentity(), pid: Number(pid), startedAt }));`;

test.runIf(process.getuid?.() === 0).each([
  ['runs', own.startedAt, 'alive'],
  ['has ended, and whose number a process of another user has', '1', 'gone'],
])('one of another user that %s', (_name, startedAt, liveness) => {
  const args = ['--input-type=module', '-e', script, String(own.pid), startedAt];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: liveness, stderr: '' });
});
