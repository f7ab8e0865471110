/**
 * A server in a process of its own: `slowReadersProcess.ts DIRECTORY raw|zstd` serves one NAR of a
 * gigabyte out of a store and prints its port. For every line that comes it waits until all clients make
 * it wait, and prints a {@link MemoryReport}.
 */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { BinaryCacheRoutes } from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import type { ChunkRef } from '../../src/castore/blobService.ts';
import { Digest } from '../../src/castore/digest.ts';
import type { FileNode } from '../../src/castore/node.ts';
import { listen } from '../../src/server/httpServer.ts';
import { Store } from '../../src/store/store.ts';

/** What the process has in memory. */
export interface MemoryReport {
  readonly rssBytes: number;
  /** Answers that have given out a piece. */
  readonly answers: number;
}

const CHUNK_BYTES = 64 * 1024;
/** Different chunks; the NAR has them over and over. */
const CHUNKS = 256;
const REPEATS = 64;
/** It is quiet when nothing was rendered in two such spells one after the other. */
const QUIET_MS = 150;

function chunkBytes(form: string): Uint8Array {
  // hexadecimal digits compress to half
  return form === 'raw'
    ? randomBytes(CHUNK_BYTES)
    : Buffer.from(randomBytes(CHUNK_BYTES / 2).toString('hex'));
}

async function writeBlob(store: Store, form: string): Promise<FileNode> {
  const chunks: ChunkRef[] = [];
  await using writer = store.blobs.openChunkedWrite();
  for (let i = 0; i < CHUNKS; i++) {
    const bytes = chunkBytes(form);
    const digest = Digest.of(bytes);
    chunks.push({ digest, size: bytes.length });
    await writer.write([{ type: 'chunk', digest, bytes }]);
  }
  const all = Array.from({ length: REPEATS }, () => chunks).flat();
  const size = all.length * CHUNK_BYTES;
  // the digest of the whole is not checked when it is read, and would take a second to compute
  const digest = Digest.of(randomBytes(32));
  await writer.write([{ type: 'blob', digest, size, chunks: all }]);
  await writer.close();
  return { type: 'file', digest, size, executable: false };
}

const [directory = '', form = ''] = process.argv.slice(2);
const store = await Store.open(directory);
const node = await writeBlob(store, form);
let pieces = 0;
let answers = 0;
const cache = new BinaryCacheRoutes({
  pathInfoService: store.pathInfos,
  blobService: store.blobs,
  directoryService: store.directories,
  narHashIndex: { nodeByNarHash: () => node },
});
const server = await listen({
  routes: {
    async handle(request, options) {
      const response = await cache.handle(request, options);
      const { body } = response;
      if (body === undefined || body instanceof Uint8Array) return response;
      async function* counted(stream: AsyncIterable<Uint8Array>) {
        answers++;
        for await (const piece of stream) {
          pieces++;
          yield piece;
        }
      }
      return { ...response, body: counted(body) };
    },
  },
});
process.stdout.write(`${server.port}\n`);

for await (const _ of createInterface({ input: process.stdin })) {
  for (let before = [-1, -1]; before.some((count) => count !== pieces); ) {
    before = [before[1] ?? -1, pieces];
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
  globalThis.gc?.();
  const report: MemoryReport = { rssBytes: process.memoryUsage.rss(), answers };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
process.exit();
