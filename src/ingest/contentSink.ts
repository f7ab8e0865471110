/** Where the parts of castore content go: into a blob service and a directory service. */
import type {
  BlobService,
  BlobWriter,
  ChunkedBlobWriter,
  ServiceOptions,
} from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { NarthexError } from '../errors.ts';
import type { ContentPart } from './contentBatch.ts';

/** Takes the parts of one NAR. Disposing of it before `close` has settled abandons what is open. */
export interface ContentSink extends AsyncDisposable {
  write(parts: readonly ContentPart[]): Promise<void>;
  close(): Promise<void>;
}

/** Writes parts into two services, through chunks where the blob service keeps chunks. */
export function openContentSink(
  blobService: BlobService,
  directoryService: DirectoryService,
  options?: ServiceOptions,
): ContentSink {
  const blobs = blobService.openChunkedWrite?.(options) ?? joiningWriter(blobService, options);
  const directories = directoryService.openPut(options);
  return {
    async write(parts) {
      const blobParts = parts.filter((part) => part.type !== 'directory');
      if (blobParts.length > 0) await blobs.write(blobParts);
      for (const part of parts) {
        if (part.type === 'directory') await directories.put(part.directory);
      }
    },
    async close() {
      // directories may refer to blobs, never the other way round
      await blobs.close();
      await directories.close();
    },
    async [Symbol.asyncDispose]() {
      // failing to abandon is no outcome: nothing refers to what was written, and whoever leaves
      // early has a better error to tell
      await Promise.allSettled([directories, blobs].map((writer) => writer[Symbol.asyncDispose]()));
    },
  };
}

/** Puts chunks together again, for services that only take whole blobs. */
function joiningWriter(blobService: BlobService, options?: ServiceOptions): ChunkedBlobWriter {
  let writer: BlobWriter | undefined;
  return {
    async write(parts) {
      for (const part of parts) {
        writer ??= blobService.openWrite(options);
        if (part.type === 'chunk') {
          await writer.write(part.bytes);
          continue;
        }
        const { digest } = await writer.close();
        writer = undefined;
        if (!digest.equals(part.digest)) {
          throw new NarthexError(
            'DIGEST_MISMATCH',
            `the blob service says ${digest} where ${part.digest} was written`,
            { expected: String(part.digest), actual: String(digest) },
          );
        }
      }
    },
    async close() {
      if (writer !== undefined) throw new TypeError('the last blob is not complete');
    },
    async [Symbol.asyncDispose]() {
      await writer?.[Symbol.asyncDispose]();
    },
  };
}
