/** What is particular to priorities: who is asked, and when. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/bytes.ts';
import { CoolDown } from '../../../src/castore/combinators/coolDown.ts';
import { PriorityBlobService } from '../../../src/castore/combinators/priorityBlobService.ts';
import { PriorityDirectoryService } from '../../../src/castore/combinators/priorityDirectoryService.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { Directory } from '../../../src/castore/directory.ts';
import { NarthexError } from '../../../src/errors.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { bytesOf } from '../../contracts/collect.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { outage, ProbedBlobService, ProbedDirectoryService } from './members.ts';

const CLOCK = { now: () => 0, random: () => 0.5 };

function group() {
  const clock = { now: 0 };
  const first = new ProbedBlobService();
  const second = new ProbedBlobService();
  const coolDown = new CoolDown<ProbedBlobService>({
    now: () => clock.now,
    random: () => 0.5,
    baseMs: 100,
  });
  return { clock, first, second, service: new PriorityBlobService([first, second], coolDown) };
}

describe('PriorityBlobService', () => {
  test('asks the second only for what the first lacks', async () => {
    const { first, second, service } = group();
    const digest = await writeBlob(first, noise(100));
    const other = await writeBlob(second, noise(100, 9));
    expect(await bytesOf(await service.read(digest))).toHaveLength(100);
    expect(second.questions).toBe(0);
    expect(await bytesOf(await service.read(other))).toHaveLength(100);
  });

  test('leaves a member alone for a while that cannot be asked, and longer each time', async () => {
    const { clock, first, second, service } = group();
    const digest = await writeBlob(second, noise(100));
    first.failure = outage('first');
    const questionsAt = async (now: number) => {
      clock.now = now;
      const before = first.questions;
      expect(await service.has(digest)).toBe(true);
      return first.questions - before;
    };
    expect(await questionsAt(0)).toBe(1);
    expect(await questionsAt(99)).toBe(0);
    expect(await questionsAt(100)).toBe(1);
    expect(await questionsAt(299)).toBe(0);
    expect(await questionsAt(300)).toBe(1);
    first.failure = undefined;
    expect(await questionsAt(10_000)).toBe(1);
    expect(await questionsAt(10_001)).toBe(1);
  });

  test('takes many failures at once for one', async () => {
    const { clock, first, second, service } = group();
    const digest = await writeBlob(second, noise(100));
    first.failure = outage('first');
    await Promise.all(Array.from({ length: 10 }, () => service.has(digest)));
    expect(first.questions).toBe(10);
    clock.now = 100;
    await service.has(digest);
    expect(first.questions).toBe(11);
  });

  test('tells a failure, also of a member that is left alone, where no other has it', async () => {
    const { first, service } = group();
    first.failure = outage('first');
    const absent = Digest.of(utf8('absent'));
    await expect(service.has(absent)).rejects.toBe(first.failure);
    await expect(service.read(absent)).rejects.toBe(first.failure);
    await expect(service.stat(absent)).rejects.toBe(first.failure);
    expect(first.questions).toBe(1);
  });

  test('does not leave a member alone of which one blob is bad', async () => {
    const { first, second, service } = group();
    const digest = await writeBlob(second, noise(10));
    first.failure = new NarthexError('DIGEST_MISMATCH', 'damaged');
    await service.has(digest);
    await service.has(digest);
    expect(first.questions).toBe(2);
  });

  test('goes on with the next before the first byte, and never after it', async () => {
    const { first, second, service } = group();
    const bytes = noise(1000);
    const digest = await writeBlob(first, bytes);
    await writeBlob(second, bytes);
    first.readFailsAfter = 0;
    expect(Buffer.compare(await bytesOf(await service.read(digest)), bytes)).toBe(0);
  });

  test('breaks off where a member fails after its first byte', async () => {
    const { first, second, service } = group();
    const bytes = noise(1000);
    const digest = await writeBlob(first, bytes);
    await writeBlob(second, bytes);
    first.readFailsAfter = 10;
    const read = await service.read(digest);
    const pieces: Uint8Array[] = [];
    await expect(
      (async () => {
        for await (const piece of read ?? []) pieces.push(piece);
      })(),
    ).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
    expect(pieces.map(({ length }) => length)).toEqual([10]);
  });

  test('gives back what it holds when it is left', async () => {
    const { first, service } = group();
    const digest = await writeBlob(first, noise(1000));
    let left = false;
    first.read = async () =>
      (async function* () {
        try {
          yield noise(1);
          yield noise(1);
        } finally {
          left = true;
        }
      })();
    for await (const _ of (await service.read(digest)) ?? []) break;
    expect(left).toBe(true);
  });

  test('takes an abort for no failure', async () => {
    const { first, second, service } = group();
    const digest = await writeBlob(second, noise(10));
    const abort = new AbortController();
    first.has = async () => {
      abort.abort(new Error('enough'));
      throw new Error('aborted inside');
    };
    await expect(service.has(digest, { signal: abort.signal })).rejects.toThrow('enough');
    first.has = ProbedBlobService.prototype.has.bind(first);
    await service.has(digest);
    expect(first.questions).toBe(1);
  });
});

test('PriorityDirectoryService puts a tree together out of several members', async () => {
  const first = new ProbedDirectoryService();
  const second = new ProbedDirectoryService();
  const leaf = new Directory([]);
  await using putter = second.openPut();
  await putter.put(leaf);
  await putter.close();
  const service = new PriorityDirectoryService([first, second], new CoolDown(CLOCK));
  expect((await service.get(leaf.digest))?.digest.hex).toBe(leaf.digest.hex);
  first.failure = outage('first');
  await expect(service.get(Digest.of(utf8('absent')))).rejects.toBe(first.failure);
});
