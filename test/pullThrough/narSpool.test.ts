import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SpoolDirectory } from '../../src/pullThrough/spoolDirectory.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const bytesOf = (text: string) => Buffer.from(text);
const ROOM = 1000;

async function scene() {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory('spools'));
  const broken: unknown[] = [];
  const spools = await SpoolDirectory.open({
    path: join(directory.path, 'made'),
    maxBytes: ROOM,
    onBroken: (error) => broken.push(error),
  });
  const owned = opened.move();
  return {
    ...{ spools, broken, path: directory.path },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('a spool', () => {
  test('gives what was written so far, from anywhere, as often as one likes', async () => {
    await using at = await scene();
    let changes = 0;
    const spool = await at.spools.spool(6, () => {
      changes++;
    });
    if (spool === undefined) throw new Error('there is room');
    expect(spool.readableBytes).toBe(0);
    await spool.write(bytesOf('abc'));
    await spool.write(bytesOf('def'));
    expect([spool.readableBytes, changes]).toEqual([6, 2]);
    for (const [start, most, text] of [
      [0, 4, 'abcd'],
      [0, 4, 'abcd'],
      [2, 100, 'cdef'],
      [5, 1, 'f'],
    ] as const) {
      expect(Buffer.from((await spool.read(start, most)) ?? []).toString()).toBe(text);
    }
    spool.end();
    await at.spools[Symbol.asyncDispose]();
  });

  test('ends with the ingest, while it is being read too; then it takes no room', async () => {
    await using at = await scene();
    const spool = await at.spools.spool(ROOM, () => {});
    await spool?.write(bytesOf('abc'));
    expect(await at.spools.spool(1, () => {})).toBeUndefined();
    const reading = spool?.read(0, 3);
    spool?.end({ error: 'wrong' });
    expect(Buffer.from((await reading) ?? []).toString()).toBe('abc');
    expect(spool?.failure).toEqual({ error: 'wrong' });
    expect(spool?.readableBytes).toBe(0);
    expect(await spool?.read(0, 3)).toBeUndefined();
    await spool?.write(bytesOf('more')); // into nowhere
    await at.spools[Symbol.asyncDispose]();
    expect(at.spools.reservedBytes).toBe(0);
    expect(at.broken).toEqual([]);
    expect(await readdir(join(at.path, 'made'))).toEqual([]);
  });

  test('a directory that cannot be made is an error', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(join(directory.path, 'a'));
    const path = join(directory.path, 'a\0b');
    await expect(SpoolDirectory.open({ path })).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});
