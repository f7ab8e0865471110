/** Collections and compressions, one after the other, while the same content is written, looked up, given up and written again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Store } from '../../../src/store/store.ts';
import { jsonLines } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { writePath } from '../randomPath.ts';

const ROUNDS = 20;

/** Runs one of the processes beside this file. */
function start(name: string, ...args: readonly string[]) {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([exitCode]) => ({ exitCode, stdout, stderr }));
  return { child, ended, stdoutSoFar: () => stdout };
}

test('whoever ingests has all that it was told is kept', async () => {
  await using directory = await temporaryDirectory('gc');
  {
    // some of what is ingested is there, and stays there wherever it is moved to
    await using store = await Store.open(directory.path);
    const pathInfo = await store.pathInfos.put(await writePath(store, 'path-0', 0));
    const { storePath, closureDigest } = pathInfo;
    await store.pins.put('stays', { digest: storePath.digest, closureDigest }, 0);
  }
  const collector = start('collectorProcess', directory.path);
  const compressor = start('compressorProcess', directory.path);
  const ingests = [1, 2].map(() => start('ingestProcess', directory.path, String(ROUNDS)));
  for (const { ended } of ingests) {
    expect(await ended).toMatchObject({ exitCode: 0, stderr: '' });
  }
  const collections = () => collector.stdoutSoFar().split('\n').length - 1;
  await expect.poll(collections, { timeout: 30_000 }).toBeGreaterThan(1);
  // in the middle of whatever it does
  collector.child.kill('SIGKILL');
  // it may have had to wait for one collection after the other
  await expect.poll(compressor.stdoutSoFar, { timeout: 30_000 }).toMatch(/^[1-9]/m);
  compressor.child.kill('SIGKILL');
  expect((await compressor.ended).stderr).toBe('');
  const { stdout, stderr } = await collector.ended;
  expect(stderr).toBe('');
  const reports = jsonLines(stdout.slice(0, stdout.lastIndexOf('\n') + 1));
  await checkStore(directory.path);
  {
    await using store = await Store.open(directory.path);
    await store.pins.remove('stays');
  }
  const last = await start('collectorProcess', directory.path, '1').ended;
  expect(last).toMatchObject({ exitCode: 0, stderr: '' });
  const directories = [...reports, ...jsonLines(last.stdout)].map(
    (report) => report['directories'],
  );
  // some of it is given up
  expect(directories.some((count) => count !== 0)).toBe(true);
  expect(await checkStore(directory.path)).toMatchObject({
    ...{ variants: 0, nars: 0, directories: 0, blobs: 0, chunks: 0, stamps: 0, leases: 0 },
  });
});
