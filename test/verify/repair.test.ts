/** What a repair does where something stands against it. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { EMPTY } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { repairSources } from '../../src/composition/openRepairSources.ts';
import { PublicKey } from '../../src/signature.ts';
import { Store } from '../../src/store/store.ts';
import { parseStorePathQuery } from '../../src/storePath.ts';
import { repairStore } from '../../src/verify/repairStore.ts';
import type { VerifyEvent } from '../../src/verify/verifyEvent.ts';
import { verifyStore } from '../../src/verify/verifyStore.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { directory, file } from '../support/syntheticTree.ts';
import { ALL_PATHS, type DamagedStore, damagedStore, flip } from './damagedStore.ts';

/** The file of `base`. */
const baseFile = Digest.of(noise(30_000, 1));

/** Changes a byte of the file of `base`. */
const damageBase = (damaged: DamagedStore) => damageFile(damaged, noise(30_000, 1));

/** Changes a byte of a file that lies raw in its pack. */
async function damageFile(damaged: DamagedStore, contents: Uint8Array): Promise<void> {
  for (const pack of await damaged.packs()) {
    const at = (await readFile(pack)).indexOf(contents.subarray(100, 200));
    if (at >= 0) return await flip(pack, at);
  }
  throw new Error('the file is not there');
}

const keyOf = async (damaged: DamagedStore, name: string) => {
  await using store = await Store.open(damaged.directory, { readOnly: true });
  await using inspection = store.inspect();
  return [...inspection.variants.keysOf(parseStorePathQuery(damaged.cache.storePath(name)).digest)];
};

test('structure alone is enough to repair what it shows, and only that is fetched', async () => {
  await using damaged = await damagedStore();
  damaged.fetched();
  await damaged.alterIndex(({ chunk }) => chunk.remove(baseFile.bytes));
  await damageBase(damaged);
  const { damages } = await damaged.repair();
  expect(damages).toMatchObject([{ subject: { type: 'blob' }, failure: undefined }]);
  expect(damaged.fetched()).toEqual(['base']);
  expect((await damaged.verify({ deep: true })).damages).toEqual([]);
});

test('some paths: what others hold is neither looked at nor repaired', async () => {
  await using damaged = await damagedStore();
  await damageBase(damaged);
  const tool = await keyOf(damaged, 'tool');
  expect((await damaged.verify({ deep: true, paths: tool })).damages).toEqual([]);
  const base = await keyOf(damaged, 'base');
  const { damages, counts } = await damaged.verify({ deep: true, paths: base });
  expect(damages).toMatchObject([{ subject: { type: 'chunk', digest: baseFile } }]);
  // three directories and a file
  expect(counts).toMatchObject({ paths: 1, records: 3, recordsHashed: 3 });
  expect((await damaged.repair({ deep: true, paths: base })).damages).toMatchObject([
    { failure: undefined },
  ]);
  expect((await damaged.verify({ deep: true })).damages).toEqual([]);
});

test('an upstream with other content by now: that is said, and nothing is changed', async () => {
  await using damaged = await damagedStore();
  await damageBase(damaged);
  const other = await syntheticCache([{ name: 'base', tree: directory({ other: file('other') }) }]);
  await using server = await serveStatic(other.files);
  const before = await damaged.verify({ deep: true });
  const { damages } = await damaged.repair({ deep: true, from: [server.url] });
  expect(damages).toMatchObject([{ failure: { code: 'UPSTREAM_DIFFERS' } }]);
  expect(await damaged.verify({ deep: true })).toEqual(before);
  // while the one that it came from still has it
  expect((await damaged.repair({ deep: true })).damages).toMatchObject([{ failure: undefined }]);
  expect(await damaged.wholePaths()).toEqual(ALL_PATHS);
});

test.each([
  ['does not have it any more', 404, 'PATH_NOT_FOUND'],
  ['gives something else than it says', undefined, 'COMPRESSION_INVALID'],
])('an upstream that %s: the rest is repaired', async (_, status, code) => {
  await using damaged = await damagedStore();
  await damageBase(damaged);
  await damaged.alterIndex(({ current }) => {
    for (const { key } of current.withPrefix(EMPTY)) current.remove(key);
  });
  const { files, path } = damaged.cache;
  const { narinfoFile, narFile } = path('base');
  if (status === 404) files.delete(narinfoFile);
  else files.set(narFile, noise(files.get(narFile)?.length ?? 0, 3));
  const { damages } = await damaged.repair({ deep: true });
  expect(damages.filter(({ failure }) => failure !== undefined)).toMatchObject([
    { subject: { type: 'chunk' }, failure: { code } },
  ]);
  // the lowest, after which the others follow
  expect(damages.filter(({ failure }) => failure === undefined)).toMatchObject([
    { subject: { type: 'current' } },
  ]);
  expect(await damaged.wholePaths()).toEqual(ALL_PATHS.filter((name) => name !== 'base'));
});

test('a record that nobody vouches for any more is not made anew, unless that is said', async () => {
  await using damaged = await damagedStore();
  const { digest } = parseStorePathQuery(damaged.cache.storePath('tool'));
  await damaged.alterIndex(({ variant }) => {
    for (const { key, value } of variant.withPrefix(digest)) variant.put(key, value.slice(0, 9));
  });
  const openSources = repairSources({ addresses: [], trustedKeys: [] });
  await using store = await Store.open(damaged.directory);
  const refused = await repairStore(store, { openSources });
  expect(refused.damages).toMatchObject([{ failure: { code: 'SIGNATURE_MISSING' } }]);
  const accepted = await repairStore(store, { openSources, acceptUnverified: true });
  expect(accepted.damages).toMatchObject([{ failure: undefined }]);
  expect((await store.pathInfos.get(digest))?.claim.verification).toEqual({ by: 'nobody' });
  expect((await verifyStore(store, { deep: true })).damages).toEqual([]);
});

test('several records in a chain are made anew from below', async () => {
  await using damaged = await damagedStore();
  await damaged.alterIndex(({ variant }) => {
    for (const name of ['base', 'shared', 'tool']) {
      const { digest } = parseStorePathQuery(damaged.cache.storePath(name));
      for (const { key, value } of variant.withPrefix(digest)) variant.put(key, value.slice(0, 99));
    }
  });
  const { damages } = await damaged.repair({ from: [damaged.server.url] });
  expect(damages).toHaveLength(3);
  expect(damages.filter(({ failure }) => failure !== undefined)).toEqual([]);
  expect((await damaged.verify({ deep: true })).damages).toEqual([]);
});

test('what is collected while it is looked at is not damaged', async () => {
  await using damaged = await damagedStore();
  const { digest } = parseStorePathQuery(damaged.cache.storePath('app'));
  let collected: Promise<void> | undefined;
  const onEvent = (event: VerifyEvent) => {
    if (event.type !== 'progress' || event.phase !== 'blobs') return;
    // the path goes with all rows about it, and the content that it alone had
    collected ??= damaged.alterIndex((tables) => {
      const file = Digest.of(noise(200_000, 5)).bytes;
      for (const table of [tables.variant, tables.current]) {
        for (const { key } of table.withPrefix(digest)) table.remove(key);
      }
      for (const table of [tables.closure, tables.referrer]) {
        for (const { key, value } of table.withPrefix(EMPTY)) {
          if (Buffer.compare(value, digest) === 0) table.remove(key);
        }
      }
      for (const { key } of tables.blob.withPrefix(file)) tables.blob.remove(key);
    });
  };
  // two environments of one process have to be alike
  await using store = await Store.open(damaged.directory);
  const { damages } = await verifyStore(store, { deep: true, onEvent });
  await collected;
  expect(damages).toEqual([]);
  expect((await verifyStore(store)).damages).toEqual([]);
});

test('an abort ends it at once', async () => {
  await using damaged = await damagedStore();
  const controller = new AbortController();
  const reason = new Error('enough');
  const phases = new Set<string>();
  const verifying = damaged.verify({
    deep: true,
    signal: controller.signal,
    onEvent(event) {
      if (event.type === 'progress') phases.add(event.phase);
      if (event.type === 'progress' && event.phase === 'paths') controller.abort(reason);
    },
  });
  await expect(verifying).rejects.toBe(reason);
  expect([...phases]).toEqual(['records', 'blobs', 'paths']);
});

test('an extra file whose content is damaged is told of, and neither forgotten nor called repaired', async () => {
  await using damaged = await damagedStore();
  const text = noise(5000, 77);
  {
    await using store = await Store.open(damaged.directory);
    const digest = await writeBlob(store.blobs, text);
    const { storePath: derivation } = parseStorePathQuery(
      '/nix/store/0000000000000000000000000000000a-x.drv',
    );
    if (derivation === undefined) throw new Error('a whole store path is one');
    const name = { kind: 'log', derivation } as const;
    await store.extraFiles.putAll([{ name, file: { digest, size: text.length } }]);
  }
  expect((await damaged.verify({ deep: true })).damages).toEqual([]);
  await damageFile(damaged, text);
  await damageFile(damaged, noise(30_000, 1));
  const { damages } = await damaged.repair({ deep: true });
  const kinds = damages.map(({ subject, failure }) => `${subject.type} ${failure?.code}`);
  expect(kinds.sort()).toEqual([
    'chunk DIGEST_MISMATCH',
    'chunk undefined',
    'extraFile DIGEST_MISMATCH',
  ]);
  const left = (await damaged.verify({ deep: true })).damages.map(({ subject }) => subject);
  expect(left).toMatchObject([
    { type: 'chunk', digest: Digest.of(text) },
    { type: 'extraFile', path: 'log/0000000000000000000000000000000a-x.drv' },
  ]);
});

test('a store that is open for reading is not repaired', async () => {
  await using damaged = await damagedStore();
  await using store = await Store.open(damaged.directory, { readOnly: true });
  const trustedKeys = [PublicKey.parse(TEST_KEY.publicKey)];
  const openSources = repairSources({ addresses: [], trustedKeys });
  await expect(repairStore(store, { openSources })).rejects.toMatchObject({ code: 'READ_ONLY' });
});
