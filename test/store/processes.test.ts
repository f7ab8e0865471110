/** Several processes with one store open. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { indexPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { storePathOf } from '../contracts/pathInfos.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { readWhole, writePath } from './randomPath.ts';

const STORE = new URL('../../src/store/store.ts', import.meta.url).href;
const REOPENING = new URL('./reopeningProcess.ts', import.meta.url).pathname;
const WRITER = new URL('./writerProcess.ts', import.meta.url).pathname;

type Writer = ChildProcessByStdio<null, Readable, null>;

function startWriter(directory: string, name: string, count: number, seed: number): Writer {
  const args = [WRITER, directory, name, String(count), String(seed)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The names of the paths that a writer was told are kept, as they come. */
function acknowledged(writer: Writer): AsyncIterable<string> {
  return createInterface({ input: writer.stdout });
}

async function checkPath(store: Store, name: string): Promise<void> {
  const pathInfo = await store.pathInfos.get(storePathOf(name).digest);
  expect(pathInfo?.storePath.name).toBe(name);
  if (pathInfo !== undefined) await readWhole(store, pathInfo.node);
}

test('a reader sees what another process was told is kept, at once', async () => {
  await using directory = await temporaryDirectory('store');
  await using store = await Store.open(directory.path);
  await using readOnly = await Store.open(directory.path, { readOnly: true });
  const writer = startWriter(directory.path, 'theirs', 12, 100);
  const exited = once(writer, 'exit');
  let seen = 0;
  for await (const name of acknowledged(writer)) {
    await checkPath(store, name);
    await checkPath(readOnly, name);
    seen++;
  }
  expect((await exited)[0]).toBe(0);
  expect(seen).toBe(12);
});

test('two processes and this one write the same and different content', async () => {
  await using directory = await temporaryDirectory('store');
  await using store = await Store.open(directory.path);
  // the first two write equal content under different names
  const writers = [
    startWriter(directory.path, 'left', 10, 500),
    startWriter(directory.path, 'right', 10, 500),
  ];
  const exits = writers.map((writer) => {
    writer.stdout.resume();
    return once(writer, 'exit');
  });
  for (let i = 0; i < 10; i++) {
    await store.pathInfos.put(await writePath(store, `own-${i}`, 505 + i));
  }
  for (const [code] of await Promise.all(exits)) expect(code).toBe(0);
  for (const name of ['left', 'right', 'own']) {
    for (let i = 0; i < 10; i++) await checkPath(store, `${name}-${i}`);
  }
  const stats = await store.stats();
  expect(stats).toMatchObject({ paths: 30, variants: 30, directories: 2 * 15 });
  expect(stats.packs).toBeLessThanOrEqual(3);
});

test.each([0, 1, 2, 3, 4])('kill -9 loses nothing that was acknowledged (%i)', async (round) => {
  await using directory = await temporaryDirectory('store');
  const kept: string[] = [];
  const rounds = 2;
  for (let start = 0; start < rounds; start++) {
    const writer = startWriter(directory.path, `round-${start}`, 1000, 1000 * start);
    const exited = once(writer, 'exit');
    for await (const name of acknowledged(writer)) {
      kept.push(name);
      // somewhere in the middle of what comes next
      if (kept.length === 4 * (start + 1) + round) setTimeout(() => writer.kill('SIGKILL'), round);
    }
    expect((await exited)[1]).toBe('SIGKILL');
  }
  await using store = await Store.open(directory.path);
  for (const name of kept) await checkPath(store, name);
  // what was killed in the middle is whole or not there
  const listed = await Array.fromAsync(store.pathInfos.list());
  for (const { node } of listed) await readWhole(store, node);
  expect(listed.length).toBeGreaterThanOrEqual(kept.length);
  expect(listed.length).toBeLessThanOrEqual(kept.length + rounds);
  await store.pathInfos.put(await writePath(store, 'after', 7));
  await checkPath(store, 'after');
});

test('a reader that was killed holding what it read keeps nobody from writing or collecting', async () => {
  await using directory = await temporaryDirectory('store');
  await using store = await Store.open(directory.path);
  await store.pathInfos.put(await writePath(store, 'before', 1));
  const script = `
    import { Store } from ${JSON.stringify(STORE)};
    const store = await Store.open(process.argv[1], { readOnly: true });
    const listed = store.pathInfos.list()[Symbol.asyncIterator]();
    await listed.next();
    process.stdout.write('reading');
    for (;;); // the snapshot is never given back`;
  const reader = spawn(process.execPath, ['--input-type=module', '-e', script, directory.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(reader.stdout, 'data');
  const exited = once(reader, 'exit');
  await store.pathInfos.put(await writePath(store, 'during', 2));
  reader.kill('SIGKILL');
  await exited;
  await store.collectGarbage();
  const { size: before } = await stat(indexPath(directory.path));
  for (let i = 0; i < 40; i++) {
    await store.pathInfos.put(await writePath(store, `after-${i}`, 3));
  }
  const { size: after } = await stat(indexPath(directory.path));
  // pages of old commits are used again
  expect(after - before).toBeLessThan(1_000_000);
  for (const name of ['before', 'during', 'after-39']) await checkPath(store, name);
});

test('a process that has a store open opens it again while it writes', async () => {
  await using directory = await temporaryDirectory('store');
  const args = [REOPENING, directory.path, '60'];
  // in a process of its own, since what must not happen stops all that runs in it
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 45_000,
  });
  expect(await once(child, 'exit')).toEqual([0, null]);
}, 60_000);
