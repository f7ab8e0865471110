/** Each kind of damage: it is found, with the paths that it affects, and repaired. */
import { rm, stat, truncate } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { endOffset } from '../../src/store/packFormat.ts';
import { scanPack } from '../../src/store/packScan.ts';
import {
  decodeLocation,
  encodeLocation,
  encodeU32,
  referrerRowKey,
} from '../../src/store/schema.ts';
import { Store } from '../../src/store/store.ts';
import type { Row, Table } from '../../src/store/table.ts';
import { parseStorePathQuery } from '../../src/storePath.ts';
import type { Damage } from '../../src/verify/damage.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { ALL_PATHS, type DamagedStore, damagedStore, flip } from './damagedStore.ts';

/** What is found: the kind of a thing and the names of the paths that are affected. */
interface Found {
  readonly kind: Damage['subject']['type'];
  readonly paths: readonly string[];
}

interface Case {
  readonly name: string;
  damage(damaged: DamagedStore): Promise<void>;
  /** What structure alone shows. */
  readonly found: readonly Found[];
  /** What is found in depth, where that is more. */
  readonly deep?: readonly Found[];
  /** Whose NARs are fetched to repair it. */
  readonly fetched: readonly string[];
}

const digestOf = ({ cache }: DamagedStore, name: string) =>
  parseStorePathQuery(cache.storePath(name)).digest;

/** The only record of a pack that is wanted. */
async function recordAt(
  damaged: DamagedStore,
  isWanted: (kind: string, size: number) => boolean,
): Promise<{ readonly path: string; readonly offset: number; readonly end: number }> {
  for (const [index, path] of (await damaged.packs()).entries()) {
    for await (const { header, location } of scanPack(path, index + 1)) {
      if (isWanted(header.kind, header.size)) {
        return { path, offset: location.offset, end: endOffset(location) };
      }
    }
  }
  throw new Error('there is no such record');
}

function rowsOf(table: Table): Row[] {
  return [...table.withPrefix(EMPTY)];
}

/** The first row of a table that is wanted. */
function rowOf(table: Table, isWanted: (row: Row) => boolean = () => true): Row {
  const row = rowsOf(table).find(isWanted);
  if (row === undefined) throw new Error('there is no such row');
  return row;
}

const isOf = (digest: Uint8Array) => (row: Row) =>
  Buffer.compare(row.key.subarray(0, digest.length), digest) === 0;

/** The chunk that is the file of `base`. */
const baseFile = Digest.of(noise(30_000, 1));

const LARGE = ['shared', 'tool'];

const CASES: readonly Case[] = [
  {
    name: 'a flipped bit in a chunk',
    async damage(damaged) {
      const { path, end } = await recordAt(damaged, (_, size) => size === 30_000);
      await flip(path, end - 100);
    },
    found: [],
    deep: [{ kind: 'chunk', paths: ['base'] }],
    fetched: ['base'],
  },
  {
    name: 'a flipped bit in a chunk of a file that several paths hold',
    async damage(damaged) {
      await using store = await Store.open(damaged.directory);
      const list = await store.blobs.stat(Digest.of(noise(400_000, 7)));
      const chunk = list?.chunks[1];
      const { path, end } = await recordAt(damaged, (_, size) => size === chunk?.size);
      await flip(path, end - 1);
    },
    found: [],
    deep: [{ kind: 'chunk', paths: LARGE }],
    // one brings in what the other lacks
    fetched: ['shared'],
  },
  {
    name: 'a flipped bit in a directory',
    async damage(damaged) {
      const { path, offset, end } = await recordAt(damaged, (kind) => kind === 'directory');
      await flip(path, Math.floor((offset + 44 + end) / 2));
    },
    found: [{ kind: 'directory', paths: ['base'] }],
    fetched: ['base'],
  },
  {
    name: 'a flipped bit before a chunk',
    async damage(damaged) {
      const { path, offset } = await recordAt(damaged, (_, size) => size === 30_000);
      await flip(path, offset + 5);
    },
    found: [],
    deep: [{ kind: 'chunk', paths: ['base'] }],
    fetched: [],
  },
  {
    name: 'a flipped bit at the beginning of a pack',
    async damage(damaged) {
      const [pack = ''] = await damaged.packs();
      await flip(pack, 3);
    },
    found: [{ kind: 'packHeader', paths: [] }],
    fetched: [],
  },
  {
    name: 'a pack that is gone',
    async damage(damaged) {
      for (const pack of await damaged.packs()) await rm(pack);
    },
    found: [{ kind: 'pack', paths: ALL_PATHS }],
    fetched: ALL_PATHS,
  },
  {
    name: 'a pack that is cut off',
    async damage(damaged) {
      const { path, offset } = await recordAt(damaged, (_, size) => size === 30_000);
      expect(offset).toBeLessThan((await stat(path)).size);
      await truncate(path, offset + 10);
    },
    found: [{ kind: 'pack', paths: ALL_PATHS }],
    fetched: ALL_PATHS,
  },
  {
    name: 'a chunk that the index lost',
    damage: (damaged) => damaged.alterIndex(({ chunk }) => chunk.remove(baseFile.bytes)),
    found: [{ kind: 'blob', paths: ['base'] }],
    // it is still in the pack
    fetched: [],
  },
  {
    name: 'a chunk of a large file that the index lost, with its record damaged',
    async damage(damaged) {
      let digest: Uint8Array = EMPTY;
      let location = decodeLocation(encodeLocation(NOWHERE));
      await damaged.alterIndex(({ blob, chunk }) => {
        const list = rowOf(blob, isOf(Digest.of(noise(400_000, 7)).bytes)).value;
        digest = Uint8Array.from(list.subarray(0, 32));
        location = decodeLocation(chunk.get(digest) ?? EMPTY);
        chunk.remove(digest);
      });
      const [pack = ''] = await damaged.packs();
      await flip(pack, endOffset(location) - 1);
    },
    found: [{ kind: 'chunk', paths: LARGE }],
    fetched: ['shared'],
  },
  {
    name: 'a directory that the index lost',
    damage: (damaged) =>
      damaged.alterIndex(({ directory }) => {
        const { key } = rowOf(directory);
        directory.remove(key);
      }),
    found: [{ kind: 'directory', paths: [expect.any(String)] as string[] }],
    fetched: [],
  },
  {
    name: 'a chunk that the index looks for in the wrong place',
    damage: (damaged) =>
      damaged.alterIndex(({ chunk }) => {
        const location = decodeLocation(chunk.get(baseFile.bytes) ?? EMPTY);
        chunk.put(baseFile.bytes, encodeLocation({ ...location, offset: location.offset + 7 }));
      }),
    found: [],
    deep: [{ kind: 'chunk', paths: ['base'] }],
    fetched: [],
  },
  {
    name: 'a chunk that the index looks for in a pack that never was',
    damage: (damaged) =>
      damaged.alterIndex(({ chunk }) => chunk.put(baseFile.bytes, encodeLocation(NOWHERE))),
    found: [{ kind: 'chunk', paths: ['base'] }],
    fetched: [],
  },
  {
    name: 'a location that is none',
    damage: (damaged) =>
      damaged.alterIndex(({ chunk }) => chunk.put(baseFile.bytes, Buffer.from('nonsense'))),
    found: [{ kind: 'chunk', paths: ['base'] }],
    fetched: [],
  },
  {
    name: 'a wrong size in a chunk list',
    damage: (damaged) =>
      damaged.alterIndex(({ blob }) => {
        const { key, value } = rowOf(blob, isOf(Digest.of(noise(400_000, 7)).bytes));
        const list = Uint8Array.from(value);
        list[33] = (list[33] ?? 0) ^ 1;
        blob.put(key, list);
      }),
    found: [{ kind: 'blob', paths: LARGE }],
    // the list is in the pack, too
    fetched: [],
  },
  {
    name: 'a chunk list that ends too early',
    damage: (damaged) =>
      damaged.alterIndex(({ blob }) => {
        const { key, value } = rowOf(blob, isOf(Digest.of(noise(400_000, 7)).bytes));
        blob.put(key, value.slice(0, value.length - 36));
      }),
    found: [{ kind: 'blob', paths: LARGE }],
    fetched: [],
  },
  {
    name: 'a chunk list with its chunks in another order',
    damage: (damaged) =>
      damaged.alterIndex(({ blob }) => {
        const { key, value } = rowOf(blob, isOf(Digest.of(noise(400_000, 7)).bytes));
        blob.put(
          key,
          Buffer.concat([value.subarray(36, 72), value.subarray(0, 36), value.subarray(72)]),
        );
      }),
    found: [],
    deep: [{ kind: 'blob', paths: LARGE }],
    fetched: [],
  },
  {
    // the list is in the pack, too
    name: 'a chunk list with a chunk that never was',
    damage: (damaged) =>
      damaged.alterIndex(({ blob }) => {
        const { key, value } = rowOf(blob, isOf(Digest.of(noise(400_000, 7)).bytes));
        const list = Uint8Array.from(value);
        list[0] = (list[0] ?? 0) ^ 1;
        blob.put(key, list);
      }),
    found: [{ kind: 'chunk', paths: LARGE }],
    fetched: [],
  },
  {
    name: 'a chunk list that the index lost',
    damage: (damaged) =>
      damaged.alterIndex(({ blob }) => blob.remove(Digest.of(noise(400_000, 7)).bytes)),
    found: [{ kind: 'blob', paths: LARGE }],
    fetched: [],
  },
  {
    name: 'a current variant that is not kept',
    damage: (damaged) =>
      damaged.alterIndex(({ current }) =>
        current.put(digestOf(damaged, 'app'), Digest.of(EMPTY).bytes),
      ),
    found: [{ kind: 'current', paths: [expect.any(String)] as string[] }],
    fetched: [],
  },
  {
    name: 'a path that is current no more, though others that refer to it are',
    damage: (damaged) =>
      damaged.alterIndex(({ current }) => current.remove(digestOf(damaged, 'base'))),
    found: [
      { kind: 'current', paths: ['shared'] },
      { kind: 'current', paths: ['tool'] },
      { kind: 'current', paths: ['base'] },
    ],
    fetched: [],
  },
  {
    name: 'a record of a path that is damaged',
    damage: (damaged) =>
      damaged.alterIndex(({ variant }) => {
        const { key, value } = rowOf(variant, isOf(digestOf(damaged, 'tool')));
        // in the name
        const record = Uint8Array.from(value);
        record[38] = (record[38] ?? 0) ^ 2;
        variant.put(key, record);
      }),
    found: [{ kind: 'pathInfo', paths: [expect.any(String) as string, 'app'] }],
    fetched: ['tool'],
  },
  {
    name: 'a record of a path that is gone',
    damage: (damaged) =>
      damaged.alterIndex(({ variant }) => {
        variant.remove(rowOf(variant, isOf(digestOf(damaged, 'base'))).key);
      }),
    found: [
      { kind: 'pathInfo', paths: ['shared', 'tool'] },
      { kind: 'current', paths: [expect.any(String)] as string[] },
      { kind: 'staleRow', paths: [] },
    ],
    fetched: ['base'],
  },
  {
    name: 'another NarHash in the record of a path',
    damage: (damaged) =>
      damaged.alterIndex(({ variant }) => {
        const { key, value } = rowOf(variant, isOf(digestOf(damaged, 'app')));
        const record = Uint8Array.from(value);
        record[5] = (record[5] ?? 0) ^ 2;
        variant.put(key, record);
      }),
    found: [{ kind: 'relations', paths: ['app'] }],
    deep: [
      { kind: 'relations', paths: ['app'] },
      { kind: 'claim', paths: ['app'] },
      { kind: 'content', paths: ['app'] },
    ],
    fetched: ['app'],
  },
  {
    name: 'rows that follow from a record',
    damage: (damaged) =>
      damaged.alterIndex((tables) => {
        const key = rowOf(tables.variant, isOf(digestOf(damaged, 'app'))).key.slice(20);
        const base = rowOf(tables.variant, isOf(digestOf(damaged, 'tool'))).key.slice(20);
        tables.closure.remove(key);
        tables.referrer.remove(referrerRowKey(new Digest(base), new Digest(key)));
        for (const row of rowsOf(tables.nar)) tables.nar.remove(row.key);
      }),
    found: ALL_PATHS.map((name) => ({ kind: 'relations', paths: [name] })),
    fetched: [],
  },
  {
    name: 'a NAR that is said to hold something else',
    damage: (damaged) =>
      damaged.alterIndex(({ nar }) => {
        const [first, second] = rowsOf(nar);
        if (first !== undefined && second !== undefined) nar.put(first.key, second.value);
      }),
    found: [{ kind: 'staleRow', paths: [expect.any(String)] as string[] }],
    fetched: [],
  },
  {
    name: 'rows about what never was',
    damage: (damaged) =>
      damaged.alterIndex(({ closure, referrer, nar }) => {
        const none = Digest.of(Buffer.from('none'));
        closure.put(none.bytes, digestOf(damaged, 'app'));
        referrer.put(referrerRowKey(none, none), digestOf(damaged, 'app'));
        const { value } = rowOf(nar);
        nar.put(
          none.bytes,
          value.map((byte, at) => (at > 20 && at < 40 ? byte ^ 1 : byte)),
        );
      }),
    found: [
      { kind: 'staleRow', paths: [] },
      { kind: 'staleRow', paths: [] },
      { kind: 'staleRow', paths: [] },
    ],
    fetched: [],
  },
  {
    name: 'a pack of which the index does not say how far it goes',
    damage: (damaged) => damaged.alterIndex(({ pack }) => pack.remove(encodeU32(1))),
    found: [{ kind: 'packEnd', paths: [] }],
    fetched: [],
  },
  {
    name: 'a damaged chunk to which nothing refers',
    async damage(damaged) {
      {
        await using store = await Store.open(damaged.directory);
        await writeBlob(store.blobs, noise(12_345, 99));
      }
      const [, pack = ''] = await damaged.packs();
      await flip(pack, 5000);
    },
    found: [],
    deep: [{ kind: 'chunk', paths: [] }],
    fetched: [],
  },
];

/** Where nothing is. */
const NOWHERE = { pack: 77, offset: 16, encodedSize: 9, size: 9, encoding: 'raw' } as const;

const nameOf = (storePath: string) => storePath.replace(/^\/nix\/store\/[0-9a-z]{32}-/, '');

/** Paths are looked at in the order of their digests, several at once. */
function anyOrder(found: readonly Found[]): Found[] {
  const text = ({ kind, paths }: Found) => `${kind} ${paths.join(' ')}`;
  return [...found].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

function foundIn(damages: readonly Damage[]): Found[] {
  return anyOrder(
    damages.map(({ subject, affected }) => ({
      kind: subject.type,
      paths: affected.map(({ storePath }) => nameOf(storePath)).sort(),
    })),
  );
}

describe.concurrent('damage', () => {
  test.each(CASES)('$name', { timeout: 60_000 }, async ({ damage, found, deep, fetched }) => {
    await using damaged = await damagedStore();
    damaged.fetched();
    await damage(damaged);
    expect(foundIn((await damaged.verify()).damages)).toEqual(anyOrder(found));
    const inDepth = await damaged.verify({ deep: true });
    expect(foundIn(inDepth.damages)).toEqual(anyOrder(deep ?? found));
    const repaired = await damaged.repair({ deep: true });
    expect(repaired.damages.map(({ failure }) => failure)).toEqual(
      repaired.damages.map(() => undefined),
    );
    expect(damaged.fetched().sort()).toEqual([...fetched].sort());
    expect((await damaged.verify({ deep: true })).damages).toEqual([]);
    expect(await damaged.wholePaths()).toEqual(ALL_PATHS);
  });
});
