/** What is particular to each of the other combinators. */
import { describe, expect, test } from 'vitest';
import { CoolDown } from '../../../src/castore/combinators/coolDown.ts';
import { NarthexError } from '../../../src/errors.ts';
import { fingerprint } from '../../../src/narinfo/fingerprint.ts';
import { LruPathInfoService } from '../../../src/pathinfo/combinators/lruPathInfoService.ts';
import { PriorityPathInfoService } from '../../../src/pathinfo/combinators/priorityPathInfoService.ts';
import { ReadOnlyPathInfoService } from '../../../src/pathinfo/combinators/readOnlyPathInfoService.ts';
import { SigningPathInfoService } from '../../../src/pathinfo/combinators/signingPathInfoService.ts';
import { MemoryPathInfoService } from '../../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { PublicKey, SecretKey } from '../../../src/signature.ts';
import { itemsOf } from '../../contracts/collect.ts';
import { BY_NOBODY, pathInfoOf, plain } from '../../contracts/pathInfos.ts';
import { ProbedPathInfoService } from './members.ts';

const libc = pathInfoOf({ name: 'libc' });
const zlib = pathInfoOf({ name: 'zlib', references: [libc] });
const app = pathInfoOf({ name: 'app', references: [zlib] });
const down = new NarthexError('PEER_FAILED', 'down');

describe('PriorityPathInfoService', () => {
  async function group() {
    const first = new ProbedPathInfoService();
    const second = new ProbedPathInfoService();
    await first.putAll([libc]);
    await second.putAll([libc, zlib]);
    const clock = { now: 0 };
    const coolDown = new CoolDown<ProbedPathInfoService>({
      now: () => clock.now,
      random: () => 0.5,
      baseMs: 100,
    });
    return {
      first,
      second,
      clock,
      service: new PriorityPathInfoService([first, second], coolDown),
    };
  }

  test('asks in order, and lists all together once each', async () => {
    const { second, service } = await group();
    expect(plain(await service.get(libc.storePath.digest))).toEqual(plain(libc));
    expect(second.questions).toBe(0);
    expect(plain(await service.get(zlib.storePath.digest))).toEqual(plain(zlib));
    const listed = await itemsOf(service.list());
    const digests = listed.map(({ storePath }) => Buffer.from(storePath.digest).toString('hex'));
    expect(digests).toEqual([...digests].sort());
    expect(listed).toHaveLength(2);
    expect(await itemsOf(service.listVariants(libc.storePath.digest))).toHaveLength(1);
  });

  test('goes on without a member that is down, and asks it again later', async () => {
    const { first, clock, service } = await group();
    first.failure = down;
    const { digest } = libc.storePath;
    expect(plain(await service.get(digest))).toEqual(plain(libc));
    await service.get(digest);
    expect(first.questions).toBe(1);
    await expect(service.get(app.storePath.digest)).rejects.toBe(down);
    await expect(service.has(app.storePath.digest)).rejects.toBe(down);
    clock.now = 100;
    first.failure = undefined;
    await service.get(digest);
    expect(first.questions).toBe(2);
    expect(await service.get(app.storePath.digest)).toBeUndefined();
  });
});

describe('LruPathInfoService', () => {
  const open = async (maxEntries = 100) => {
    const inner = new ProbedPathInfoService();
    await inner.putAll([libc, zlib]);
    const clock = { now: 0 };
    const options = { maxEntries, ttlMs: 100, now: () => clock.now };
    return { inner, clock, service: new LruPathInfoService(inner, options) };
  };

  test('asks once, until its time is over', async () => {
    const { inner, clock, service } = await open();
    const { digest } = zlib.storePath;
    await service.get(digest);
    expect(plain(await service.get(digest))).toEqual(plain(zlib));
    expect(await service.has(digest)).toBe(true);
    expect(inner.questions).toBe(1);
    clock.now = 100;
    await service.get(digest);
    expect(inner.questions).toBe(2);
  });

  test('is bounded', async () => {
    const { inner, service } = await open(1);
    await service.get(libc.storePath.digest);
    await service.get(zlib.storePath.digest); // with its reference too heavy to be kept
    await service.get(zlib.storePath.digest);
    expect(inner.questions).toBe(3);
  });

  test('remembers no absence', async () => {
    const { inner, service } = await open();
    await service.get(app.storePath.digest);
    await inner.put(app);
    expect(plain(await service.get(app.storePath.digest))).toEqual(plain(app));
  });

  test('keeps no answer from before a write', async () => {
    const { inner, service } = await open();
    const unverified = pathInfoOf({ name: 'x', content: 'a', verification: BY_NOBODY });
    const verified = pathInfoOf({ name: 'x', content: 'b' });
    await inner.put(unverified);
    const { digest } = unverified.storePath;
    const answer = Promise.withResolvers<PathInfo>();
    const { get } = inner;
    inner.get = () => answer.promise;
    const early = service.get(digest);
    await service.put(verified);
    answer.resolve(unverified);
    await early;
    inner.get = get;
    expect(plain(await service.get(digest))).toEqual(plain(verified));
  });
});

describe('SigningPathInfoService', () => {
  const secretKey = SecretKey.generate('ours-1');
  const publicKey = PublicKey.parse(secretKey.publicKey.toString());
  const signedByUs = ({ claim }: PathInfo) =>
    claim.signatures.filter((signature) =>
      publicKey.verify(fingerprint(claim, 'sorted'), signature),
    ).length;

  test.each(['in', 'out'] as const)('signs once on the way %s what is verified', async (when) => {
    const inner = new MemoryPathInfoService();
    const service = new SigningPathInfoService(inner, { secretKey, when });
    for (const pathInfo of [libc, zlib]) {
      expect(signedByUs(await service.put(pathInfo))).toBe(1);
      const [again] = await service.putAll([await service.put(pathInfo)]);
      expect(again && signedByUs(again)).toBe(1);
      const { storePath, closureDigest } = pathInfo;
      const outside = [
        await service.get(storePath.digest),
        await service.getVariant(storePath.digest, closureDigest),
        await service.getByClosureDigest(closureDigest),
        ...(await itemsOf(service.listVariants(storePath.digest))),
      ];
      expect(outside.map((one) => one && signedByUs(one))).toEqual([1, 1, 1, 1]);
    }
    expect((await itemsOf(service.list())).map(signedByUs)).toEqual([1, 1]);
  });

  test('signs on the way in only, or on the way out only', async () => {
    const inner = new MemoryPathInfoService();
    await new SigningPathInfoService(inner, { secretKey, when: 'out' }).put(libc);
    expect((await itemsOf(inner.list())).map(signedByUs)).toEqual([0]);
    await new SigningPathInfoService(inner, { secretKey, when: 'in' }).put(libc);
    expect((await itemsOf(inner.list())).map(signedByUs)).toEqual([1]);
  });

  test.each(['in', 'out'] as const)(
    'does not sign on the way %s what nobody verified',
    async (when) => {
      const service = new SigningPathInfoService(new MemoryPathInfoService(), { secretKey, when });
      const unverified = pathInfoOf({ name: 'x', verification: BY_NOBODY });
      expect(signedByUs(await service.put(unverified))).toBe(0);
      expect((await itemsOf(service.list())).map(signedByUs)).toEqual([0]);
    },
  );

  test.each([{ by: 'ca' }, { by: 'uploader', uploader: 'ci' }] as const)(
    'signs what is verified by %s',
    async (verification) => {
      const service = new SigningPathInfoService(new MemoryPathInfoService(), {
        secretKey,
        when: 'in',
      });
      expect(signedByUs(await service.put(pathInfoOf({ name: 'x', verification })))).toBe(1);
    },
  );
});

describe('ReadOnlyPathInfoService', () => {
  test('reads, and takes no writes', async () => {
    const inner = new MemoryPathInfoService();
    await inner.put(libc);
    const service = new ReadOnlyPathInfoService(inner);
    expect(plain(await service.get(libc.storePath.digest))).toEqual(plain(libc));
    const refused = { code: 'READ_ONLY' };
    await expect(service.put(zlib)).rejects.toMatchObject(refused);
    await expect(service.putAll([zlib])).rejects.toMatchObject(refused);
    expect(await service.putAll([])).toEqual([]);
    await expect(service.prefer()).rejects.toMatchObject(refused);
    expect(await itemsOf(inner.list())).toHaveLength(1);
  });
});

test('a union of claims has no more signatures than a narinfo may have', async () => {
  const service = new MemoryPathInfoService();
  for (let i = 0; i < 10; i++) {
    const signedBy = Array.from({ length: 10 }, (_, j) => `key-${i}-${j}`);
    await service.put(pathInfoOf({ name: 'libc', signedBy }));
  }
  expect((await service.get(libc.storePath.digest))?.claim.signatures).toHaveLength(64);
});
