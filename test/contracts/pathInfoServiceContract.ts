/** What every PathInfoService that holds variants does (src/pathinfo/pathInfoService.ts), as tests. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { itemsOf } from './collect.ts';
import {
  BY_NOBODY,
  pathInfoOf,
  plain,
  signatureBy,
  signaturesOf,
  storePathOf,
} from './pathInfos.ts';

/** A service for one test. */
export interface OpenPathInfoService extends AsyncDisposable {
  readonly service: PathInfoService;
}

const contentOf = (pathInfo: PathInfo | undefined) =>
  pathInfo?.node.type === 'symlink' ? Buffer.from(pathInfo.node.target).toString() : undefined;

/** The contents of what is current under each name. */
async function currentContents(service: PathInfoService, names: readonly string[]) {
  const contents: (string | undefined)[] = [];
  for (const name of names) contents.push(contentOf(await service.get(storePathOf(name).digest)));
  return contents;
}

/** Runs the contract. */
export function pathInfoServiceContract(
  name: string,
  open: () => Promise<OpenPathInfoService>,
): void {
  describe(`${name} as a PathInfoService`, () => {
    test('keeps everything about a path', async () => {
      await using opened = await open();
      const { service } = opened;
      const libc = pathInfoOf({ name: 'libc', selfReferring: true, deriver: 'libc.drv' });
      const zlib = pathInfoOf({ name: 'zlib', references: [libc], origin: 'https://example.org' });
      const app = pathInfoOf({
        name: 'app',
        references: [zlib, libc],
        selfReferring: true,
        signedBy: ['one', 'two'],
        evidence: 'same',
        verification: { by: 'uploader', uploader: 'ci' },
      });
      for (const pathInfo of [libc, zlib, app]) {
        expect(plain(await service.put(pathInfo))).toEqual(plain(pathInfo));
        const { digest } = pathInfo.storePath;
        expect(plain(await service.get(digest))).toEqual(plain(pathInfo));
        expect(await service.has(digest)).toBe(true);
        const variant = await service.getVariant(digest, pathInfo.closureDigest);
        expect(plain(variant)).toEqual(plain(pathInfo));
        expect((await itemsOf(service.listVariants(digest))).map(plain)).toEqual([plain(pathInfo)]);
      }
    });

    test('does not have what was not put', async () => {
      await using opened = await open();
      const { service } = opened;
      const { storePath, closureDigest } = pathInfoOf({ name: 'absent' });
      expect(await service.get(storePath.digest)).toBeUndefined();
      expect(await service.has(storePath.digest)).toBe(false);
      expect(await service.getVariant(storePath.digest, closureDigest)).toBeUndefined();
      expect(await itemsOf(service.listVariants(storePath.digest))).toEqual([]);
      expect(await itemsOf(service.list())).toEqual([]);
    });

    test('refuses a reference whose variant is not kept', async () => {
      await using opened = await open();
      const { service } = opened;
      await service.put(pathInfoOf({ name: 'libc', content: 'ours' }));
      const theirs = pathInfoOf({ name: 'libc', content: 'theirs' });
      const app = pathInfoOf({ name: 'app', references: [theirs] });
      await expect(service.put(app)).rejects.toMatchObject({
        code: 'REFERENCE_MISSING',
        facts: { storePath: app.storePath.absolute, reference: theirs.storePath.absolute },
      });
      expect(await service.has(app.storePath.digest)).toBe(false);
    });

    test('unites signatures, deriver and evidence of the same variant', async () => {
      await using opened = await open();
      const { service } = opened;
      const libc = pathInfoOf({ name: 'libc' });
      await service.put(libc);
      const base = { name: 'app', references: [libc] };
      await service.put(pathInfoOf({ ...base, signedBy: ['one'], verification: BY_NOBODY }));
      await service.put(pathInfoOf({ ...base, signedBy: ['two', 'one'], deriver: 'app.drv' }));
      await service.put(pathInfoOf({ ...base, evidence: 'same', deriver: 'other.drv' }));
      const kept = await service.get(storePathOf('app').digest);
      expect(kept && signaturesOf(kept)).toEqual(
        ['one', 'two'].map((key) => String(signatureBy(key))),
      );
      expect(kept?.claim.deriver?.name).toBe('app.drv');
      expect(kept?.claim.verified).toBe(true);
      expect([...(kept?.references.values() ?? [])].map(({ evidence }) => evidence)).toEqual([
        'same',
      ]);
      expect(await itemsOf(service.listVariants(storePathOf('app').digest))).toHaveLength(1);
    });

    test('keeps another variant beside; the first stays current', async () => {
      await using opened = await open();
      const { service } = opened;
      const first = pathInfoOf({ name: 'libc', content: 'first' });
      const second = pathInfoOf({ name: 'libc', content: 'second' });
      await service.put(first);
      expect(contentOf(await service.put(second))).toBe('second');
      const { digest } = first.storePath;
      expect(await currentContents(service, ['libc'])).toEqual(['first']);
      expect(contentOf(await service.getVariant(digest, second.closureDigest))).toBe('second');
      const variants = await itemsOf(service.listVariants(digest));
      expect(variants.map(contentOf)).toEqual(['first', 'second']);
    });

    test('a verified variant becomes current before an unverified one, with what stands on it', async () => {
      await using opened = await open();
      const { service } = opened;
      const libcUnverified = pathInfoOf({ name: 'libc', content: 'c0', verification: BY_NOBODY });
      const libcVerified = pathInfoOf({ name: 'libc', content: 'c1' });
      const appOnUnverified = pathInfoOf({
        name: 'app',
        content: 'a',
        references: [libcUnverified],
      });
      const appOnVerified = pathInfoOf({ name: 'app', content: 'a', references: [libcVerified] });
      await service.putAll([libcUnverified, appOnUnverified]);
      await service.put(libcVerified);
      // nothing that could stand on the new libc is kept yet
      expect(await currentContents(service, ['libc', 'app'])).toEqual(['c1', undefined]);
      await service.put(appOnVerified);
      expect(await currentContents(service, ['libc', 'app'])).toEqual(['c1', 'a']);
      const current = await service.get(appOnVerified.storePath.digest);
      expect(current?.closureDigest.hex).toBe(appOnVerified.closureDigest.hex);
      expect(
        await itemsOf(service.listVariants(current?.storePath.digest ?? Uint8Array.of())),
      ).toHaveLength(2);
    });

    test('a variant that cannot be current is found by its closure digest only', async () => {
      await using opened = await open();
      const { service } = opened;
      const ours = pathInfoOf({ name: 'libc', content: 'ours' });
      const theirs = pathInfoOf({ name: 'libc', content: 'theirs' });
      const app = pathInfoOf({ name: 'app', references: [theirs] });
      await service.putAll([ours, theirs, app]);
      const { digest } = app.storePath;
      expect(await service.get(digest)).toBeUndefined();
      expect(await service.has(digest)).toBe(false);
      expect(plain(await service.getVariant(digest, app.closureDigest))).toEqual(plain(app));
      expect(await itemsOf(service.listVariants(digest))).toHaveLength(1);
      expect((await itemsOf(service.list())).map(contentOf)).toEqual(['ours']);
    });

    test('lists the current variants in order of their digests', async () => {
      await using opened = await open();
      const { service } = opened;
      const pathInfos = Array.from({ length: 30 }, (_, i) => pathInfoOf({ name: `path-${i}` }));
      await service.putAll(pathInfos);
      const listed = await itemsOf(service.list());
      const sorted = pathInfos
        .map(({ storePath }) => Buffer.from(storePath.digest).toString('hex'))
        .sort();
      expect(listed.map(({ storePath }) => Buffer.from(storePath.digest).toString('hex'))).toEqual(
        sorted,
      );
    });

    test('takes many at once, each after its references', async () => {
      await using opened = await open();
      const { service } = opened;
      const chain: PathInfo[] = [];
      for (let i = 0; i < 300; i++) {
        chain.push(pathInfoOf({ name: `link-${i}`, references: chain.slice(-1) }));
      }
      const kept = await service.putAll(chain);
      expect(kept.map((pathInfo) => pathInfo.storePath.name)).toEqual(
        chain.map(({ storePath }) => storePath.name),
      );
      expect(await service.has(storePathOf('link-299').digest)).toBe(true);
    });

    test('of many where one is refused keeps none that comes after', async () => {
      await using opened = await open();
      const { service } = opened;
      const missing = pathInfoOf({ name: 'missing' });
      const refused = pathInfoOf({ name: 'refused', references: [missing] });
      const after = pathInfoOf({ name: 'after' });
      await expect(
        service.putAll([pathInfoOf({ name: 'before' }), refused, after]),
      ).rejects.toMatchObject({ code: 'REFERENCE_MISSING' });
      expect(await service.has(refused.storePath.digest)).toBe(false);
      expect(await service.has(after.storePath.digest)).toBe(false);
    });

    test('that says another content of a reference than is kept is refused', async () => {
      await using opened = await open();
      const { service } = opened;
      const dep = pathInfoOf({ name: 'dep' });
      await service.put(dep);
      const { claim, node, references } = pathInfoOf({ name: 'top', references: [dep] });
      const content = references.get(dep.storePath.baseName);
      if (content === undefined) throw new Error('top refers to dep');
      const lie = { ...content, node: new SymlinkNode(utf8('something else')) };
      const lying = new PathInfo(claim, node, new Map([[dep.storePath.baseName, lie]]));
      await expect(service.put(lying)).rejects.toMatchObject({
        code: expect.stringMatching(/^(PATH_INFO|PROTO)_INVALID$/),
      });
      expect(await service.has(lying.storePath.digest)).toBe(false);
    });

    test('takes puts at the same time, each refused for itself', async () => {
      await using opened = await open();
      const { service } = opened;
      const missing = pathInfoOf({ name: 'missing' });
      const outcomes = await Promise.allSettled([
        service.put(pathInfoOf({ name: 'a' })),
        service.put(pathInfoOf({ name: 'b', references: [missing] })),
        service.put(pathInfoOf({ name: 'c' })),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await currentContents(service, ['a', 'b', 'c'])).toEqual(['a', undefined, 'c']);
    });

    test('rejects with the reason of an aborted signal', async () => {
      await using opened = await open();
      const { service } = opened;
      const reason = new Error('no longer wanted');
      const options = { signal: AbortSignal.abort(reason) };
      const pathInfo = pathInfoOf({ name: 'app' });
      const { digest } = pathInfo.storePath;
      await expect(service.put(pathInfo, options)).rejects.toBe(reason);
      await expect(service.get(digest, options)).rejects.toBe(reason);
      await expect(service.has(digest, options)).rejects.toBe(reason);
      await expect(service.getVariant(digest, pathInfo.closureDigest, options)).rejects.toBe(
        reason,
      );
      expect(await service.has(digest)).toBe(false);
    });
  });
}
