/** What closures consist of when their files are cut and equal chunks kept once. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Digest } from '../../../src/castore/digest.ts';
import { encodeChunkList } from '../../../src/store/chunkList.ts';
import { RECORD_HEADER_BYTES } from '../../../src/store/packFormat.ts';
import { encodeData } from '../../../src/store/recordEncoding.ts';
import { encodeLocation } from '../../../src/store/schema.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import type { Corpus, CorpusFile } from './corpus.ts';
import { cutAt } from './fastCdc.ts';

/** `st_blocks` counts in these (stat(2)). */
const STAT_BLOCK_BYTES = 512;
/** As they come, whatever their number is. */
const NOWHERE = { pack: 1, offset: 0, encodedSize: 0, size: 0, encoding: 'zstd' } as const;

/** A chunk that was not there before. */
export interface NewChunk {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly file: CorpusFile;
  /** Where in the file it begins. */
  readonly offset: number;
  /** The chunk before it in the file. */
  readonly previous: Uint8Array | undefined;
}

/** Distinct chunks, in the order in which they came. */
export interface DistinctChunks {
  readonly chunks: readonly NewChunk[];
  readonly bytes: number;
  /** Chunk lists of files of more than one chunk. */
  readonly lists: readonly { readonly blob: Digest; readonly list: Uint8Array }[];
}

/** How much there is when equal files are kept once. */
export function distinctFileBytes({ files }: Corpus): number {
  const sizes = new Map(files.map(({ contents }) => [Digest.of(contents).key, contents.length]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** Cuts. @param average in bytes */
export function distinctChunks({ files }: Corpus, average: number): DistinctChunks {
  const seenBlobs = new Set<string>();
  const seenChunks = new Set<string>();
  const chunks: NewChunk[] = [];
  const lists: { blob: Digest; list: Uint8Array }[] = [];
  let bytes = 0;
  for (const file of files) {
    const blob = Digest.of(file.contents);
    if (seenBlobs.has(blob.key)) continue;
    seenBlobs.add(blob.key);
    const refs: { digest: Digest; size: number }[] = [];
    let previous: Uint8Array | undefined;
    let offset = 0;
    for (const chunk of cutAt(average, file.contents)) {
      const digest = Digest.of(chunk);
      refs.push({ digest, size: chunk.length });
      if (!seenChunks.has(digest.key)) {
        seenChunks.add(digest.key);
        chunks.push({ bytes: chunk, digest, file, offset, previous });
        bytes += chunk.length;
      }
      previous = chunk;
      offset += chunk.length;
    }
    if (refs.length > 1) lists.push({ blob, list: encodeChunkList(refs) });
  }
  return { chunks, bytes, lists };
}

/** What records of these chunks take in packs, with the chunk lists. @param encodedBytes their data at rest */
export function packBytes({ chunks, lists }: DistinctChunks, encodedBytes: number): number {
  const headers = (chunks.length + lists.length) * RECORD_HEADER_BYTES;
  return lists.reduce((sum, { list }) => sum + 32 + list.length, encodedBytes + headers);
}

/** What an index takes on disk that has these chunks and lists. @param directory that is made for it */
export async function indexBytes(
  { chunks, lists }: DistinctChunks,
  directory: string,
): Promise<number> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'index.mdb');
  {
    await using index = await StoreIndex.open(path, { readOnly: false, create: true });
    await index.transaction(() => {
      for (const { digest } of chunks) {
        index.tables.chunk.put(digest.bytes, encodeLocation(NOWHERE));
      }
      for (const { blob, list } of lists) index.tables.blob.put(blob.bytes, list);
    });
  }
  return (await stat(path)).blocks * STAT_BLOCK_BYTES;
}

/** What data takes at rest. */
export function bytesAtRest(data: Uint8Array, level: number): number {
  return encodeData(data, level, ({ bytes }) => bytes.length);
}
