/** Checks a whole store from its index: everything leads to what is there, and reads back as it should. */
import { EMPTY } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { ChunkList } from '../../src/store/chunkList.ts';
import { indexPath } from '../../src/store/layout.ts';
import { linksOfRecord } from '../../src/store/pathInfoCodec.ts';
import { decodeNar } from '../../src/store/schema.ts';
import { Store } from '../../src/store/store.ts';
import { isStoredNode } from '../../src/store/storedNode.ts';
import { StoreIndex } from '../../src/store/storeIndex.ts';

/** How much there is. */
export interface StoreCounts {
  readonly variants: number;
  readonly nars: number;
  readonly directories: number;
  readonly blobs: number;
  readonly chunks: number;
  readonly stamps: number;
  readonly leases: number;
}

/** @throws an `Error` that says what is missing or damaged */
export async function checkStore(directory: string): Promise<StoreCounts> {
  await using store = await Store.open(directory, { readOnly: true });
  await using index = await StoreIndex.open(indexPath(directory), {
    readOnly: true,
    create: false,
  });
  const { tables } = index;
  for (const { key, value } of tables.variant.withPrefix(EMPTY)) {
    const { node, references } = linksOfRecord(value);
    const hex = Buffer.from(key).toString('hex');
    if (!isStoredNode(tables, node)) throw new Error(`variant ${hex} has no content`);
    for (const { bytes } of references) {
      if (!tables.closure.has(bytes)) throw new Error(`variant ${hex} lacks a reference`);
    }
    if (!tables.closure.has(key.subarray(20))) throw new Error(`variant ${hex} is not in closure`);
  }
  for (const { key, value } of tables.current.withPrefix(EMPTY)) {
    const record = tables.variant.get(Buffer.concat([key, value]));
    if (record === undefined) throw new Error('a current variant is not kept');
    for (const reference of linksOfRecord(record).references) {
      const digest = tables.closure.get(reference.bytes) ?? EMPTY;
      const current = tables.current.get(digest);
      if (!current || !reference.equals(new Digest(current))) throw new Error('view is incoherent');
    }
  }
  for (const { value } of tables.nar.withPrefix(EMPTY)) {
    const { node } = decodeNar(value).content;
    if (!isStoredNode(tables, node)) throw new Error('the content of a NAR is missing');
  }
  for (const { key } of tables.directory.withPrefix(EMPTY)) {
    const found = await store.directories.get(new Digest(key));
    for (const { node } of found?.entries ?? []) {
      if (!isStoredNode(tables, node)) throw new Error('an entry of a directory is missing');
    }
  }
  for (const { key, value } of tables.blob.withPrefix(EMPTY)) {
    for (const { digest } of ChunkList.parse(new Digest(key), value).toArray()) {
      if (!tables.chunk.has(digest.bytes)) throw new Error('a chunk of a blob is missing');
    }
  }
  for (const { key } of tables.chunk.withPrefix(EMPTY)) {
    for await (const _ of (await store.blobs.read(new Digest(key))) ?? []);
  }
  return {
    variants: tables.variant.count(),
    nars: tables.nar.count(),
    directories: tables.directory.count(),
    blobs: tables.blob.count(),
    chunks: tables.chunk.count(),
    stamps: tables.stamp.count(),
    leases: tables.lease.count(),
  };
}
