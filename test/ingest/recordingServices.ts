/** Blob and directory services in memory that record what is done to them, or fail. */
import { copyBytes } from '../../src/bytes.ts';
import type {
  BlobService,
  BlobWriter,
  Chunk,
  ChunkedBlob,
  ChunkedBlobWriter,
} from '../../src/castore/blobService.ts';
import type { DirectoryPutter, DirectoryService } from '../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { putBlob } from '../render/castoreTree.ts';

/** What was done, in order. */
export type Log = string[];

/** What fails, by the word that the log would have. */
export type Failing = (word: string) => Error | undefined;

async function step(log: Log, word: string, failing: Failing): Promise<void> {
  log.push(word);
  const error = failing(word);
  if (error !== undefined) throw error;
}

/** A blob service that takes whole blobs only. */
export function wholeBlobService(log: Log, failing: Failing = () => undefined): MemoryBlobService {
  const service = new MemoryBlobService();
  const openWrite = service.openWrite.bind(service);
  service.openWrite = (options): BlobWriter => {
    log.push('open blob');
    const writer = openWrite(options);
    return {
      async write(bytes) {
        await step(log, 'write blob', failing);
        await writer.write(bytes);
      },
      async close() {
        await step(log, 'close blob', failing);
        return await writer.close();
      },
      async [Symbol.asyncDispose]() {
        await step(log, 'dispose blob', failing);
        await writer[Symbol.asyncDispose]();
      },
    };
  };
  return service;
}

/** A blob service that takes chunks. */
export function chunkedBlobService(log: Log, failing: Failing = () => undefined): BlobService {
  const service = new MemoryBlobService();
  const openChunkedWrite = (): ChunkedBlobWriter => {
    log.push('open chunks');
    let chunks: Uint8Array[] = [];
    return {
      async write(parts: readonly (Chunk | ChunkedBlob)[]) {
        await step(log, 'write chunks', failing);
        for (const part of parts) {
          if (part.type === 'chunk') chunks.push(copyBytes(part.bytes));
          else {
            await putBlob(service, Buffer.concat(chunks));
            chunks = [];
          }
        }
      },
      close: () => step(log, 'close chunks', failing),
      [Symbol.asyncDispose]: () => step(log, 'dispose chunks', failing),
    };
  };
  return Object.assign(service, { openChunkedWrite });
}

/** A directory service. */
export function directoryService(log: Log, failing: Failing = () => undefined): DirectoryService {
  const service = new MemoryDirectoryService();
  const openPut = service.openPut.bind(service);
  service.openPut = (options): DirectoryPutter => {
    log.push('open directories');
    const putter = openPut(options);
    return {
      async put(directory) {
        await step(log, 'put directory', failing);
        await putter.put(directory);
      },
      async close() {
        await step(log, 'close directories', failing);
        await putter.close();
      },
      async [Symbol.asyncDispose]() {
        await step(log, 'dispose directories', failing);
        await putter[Symbol.asyncDispose]();
      },
    };
  };
  return service;
}
