/** The stages of the store: on the way in, and the way out again. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyBytes } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import type { Node } from '../../../src/castore/node.ts';
import { ContentBatchReader } from '../../../src/ingest/contentBatch.ts';
import { openContentSink } from '../../../src/ingest/contentSink.ts';
import { readNar, rootOf } from '../../../src/ingest/narReading.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { renderNar } from '../../../src/render/renderNar.ts';
import { PackFile } from '../../../src/store/packFile.ts';
import { encodeRecordHeader, type RecordHeader } from '../../../src/store/packFormat.ts';
import { DEFAULT_COMPRESSION_LEVEL, encodeData } from '../../../src/store/recordEncoding.ts';
import { encodeLocation } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { chunksOf } from './readingStages.ts';
import type { Stage } from './stage.ts';
import { pieceByPiece, type StageData } from './stageData.ts';

export const COMPRESS_STAGE = `compress chunks (zstd ${DEFAULT_COMPRESSION_LEVEL})`;
export const APPEND_STAGE = 'append to a pack';
export const INDEX_STAGE = 'put into the index (LMDB)';

/** Gives a path that is not there yet, each time another. */
export type FreshPath = () => Promise<string>;

/** A chunk as it lies at rest. */
interface Encoded {
  readonly header: RecordHeader;
  readonly data: Uint8Array;
}

/** What is done to chunks on their way into the store. */
export function restStages({ nars, narBytes }: StageData, freshPath: FreshPath): Stage[] {
  const chunks = nars.flatMap((nar) => [...chunksOf(nar)]);
  const encoded = chunks.map((chunk) =>
    encodeData(chunk, DEFAULT_COMPRESSION_LEVEL, ({ encoding, bytes }): Encoded => {
      const digest = Digest.of(chunk);
      const sizes = { encodedSize: bytes.length, size: chunk.length };
      return { header: { kind: 'chunk', encoding, digest, ...sizes }, data: copyBytes(bytes) };
    }),
  );
  return [
    {
      name: COMPRESS_STAGE,
      narBytes,
      run() {
        for (const chunk of chunks) {
          encodeData(chunk, DEFAULT_COMPRESSION_LEVEL, ({ bytes }) => bytes.length);
        }
      },
    },
    { name: APPEND_STAGE, narBytes, run: async () => appendAll(encoded, await freshPath()) },
    { name: INDEX_STAGE, narBytes, run: async () => putAll(encoded, await freshPath()) },
  ];
}

async function appendAll(records: readonly Encoded[], path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const pack = await PackFile.create(1, path);
  try {
    for (const { header, data } of records) {
      pack.append([encodeRecordHeader(header), data]);
      await pack.drain();
    }
    await pack.sync();
  } finally {
    await pack.close();
  }
}

/** One transaction, as a commit of the store is. */
async function putAll(records: readonly Encoded[], directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'index.mdb');
  await using index = await StoreIndex.open(path, { readOnly: false, create: true });
  let offset = 0;
  await index.transaction(() => {
    for (const { header } of records) {
      const { digest, encoding, encodedSize, size } = header;
      const location = encodeLocation({ pack: 1, offset, encoding, encodedSize, size });
      index.tables.chunk.put(digest.bytes, location);
      offset += encodedSize;
    }
  });
}

/** The way out: NARs from a store. The stage's store is made beforehand and closed with `opened`. */
export async function renderStage(
  { nars, narBytes }: StageData,
  path: string,
  opened: AsyncDisposableStack,
): Promise<Stage> {
  await mkdir(dirname(path), { recursive: true });
  const store = opened.use(await Store.open(path));
  const roots: Node[] = [];
  for (const nar of nars) roots.push(await ingest(nar, store));
  await store.flush();
  const services = { blobService: store.blobs, directoryService: store.directories };
  return {
    name: 'render NAR from the store',
    narBytes,
    async run() {
      for (const root of roots) {
        for await (const _ of renderNar(root, { ...services, lentPieces: true }));
      }
    },
  };
}

async function ingest(nar: Uint8Array, store: Store): Promise<Node> {
  await using sink = openContentSink(store.blobs, store.directories);
  const batches = new ContentBatchReader();
  const request = {
    compression: 'none' as const,
    narSize: nar.length,
    fileHash: undefined,
    contentAddress: undefined,
    limits: DEFAULT_LIMITS,
  };
  const reading = await readNar(request, pieceByPiece(nar), {
    content: (batch) => sink.write(batches.parts(batch)),
  });
  await sink.close();
  return rootOf(reading);
}
