/** Copying the content of a node from one pair of castore services to another. */
import { NarthexError } from '../errors.ts';
import type { BlobService, ServiceOptions } from './blobService.ts';
import { copyBlob } from './copyBlob.ts';
import { copyDirectories } from './copyDirectories.ts';
import type { Directory } from './directory.ts';
import type { DirectoryService } from './directoryService.ts';
import type { FileNode, Node } from './node.ts';
import { missingDirectory } from './walk.ts';

/** Blobs that are copied at once. */
export const BLOBS_IN_FLIGHT = 16;

/** A blob service and a directory service that belong together. */
export interface Castore {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
}

/** Between which services to copy. */
export interface CopyNodeOptions extends ServiceOptions {
  readonly from: {
    readonly blobService: Pick<BlobService, 'read'>;
    readonly directoryService: Pick<DirectoryService, 'get' | 'getRecursive'>;
  };
  readonly to: Castore;
  /**
   * What may be taken from the source: lengths of blobs and of encoded directories together. For a node
   * that is said to have a NAR of so many bytes, that many are enough: everything stands in a NAR at
   * least once, and takes more room there. No bound by default.
   */
  readonly maxBytes?: number | undefined;
  /** Default {@link BLOBS_IN_FLIGHT}. */
  readonly blobsInFlight?: number | undefined;
}

/**
 * Copies what the target lacks: directories leaves first, and before each the blobs that it names.
 * Each digest is looked at once, whatever the tree renders to; nothing is recursive.
 * @throws BLOB_MISSING | DIRECTORY_MISSING the source lacks something
 * @throws DIGEST_MISMATCH | DIRECTORY_INVALID | NODE_INVALID the source gives what it should not
 * @throws LIMIT_EXCEEDED `maxBytes`
 */
export async function copyNode(node: Node, options: CopyNodeOptions): Promise<void> {
  const { from, to, signal, blobsInFlight = BLOBS_IN_FLIGHT } = options;
  signal?.throwIfAborted();
  if (node.type === 'symlink') return;
  const budget = new ByteBudget(options.maxBytes ?? Number.POSITIVE_INFINITY);
  const copyFile = async ({ digest, size }: FileNode, fileSignal: AbortSignal | undefined) => {
    const stat = await to.blobService.stat(digest, { signal: fileSignal });
    if (stat !== undefined) {
      if (stat.size !== size) throw wrongFileSize(node, size, stat.size);
      return;
    }
    budget.take(size);
    const copied = await copyBlob(digest, from.blobService, to.blobService, {
      signal: fileSignal,
      expectedSize: size,
    });
    if (!copied) {
      throw new NarthexError('BLOB_MISSING', `blob ${digest} is not there`, {
        digest: String(digest),
      });
    }
  };
  if (node.type === 'file') return await copyFile(node, signal);
  const seen = new Set<string>();
  const copied = await copyDirectories(node, {
    from: from.directoryService,
    to: to.directoryService,
    signal,
    onFetched: (directory) => budget.take(directory.encode().length),
    async beforePut(directory) {
      // the same digest under another size is looked at again
      const isNew = ({ digest, size }: FileNode) =>
        seen.size < seen.add(`${digest.key} ${size}`).size;
      await allSettled(filesOf(directory).filter(isNew), copyFile, { signal, blobsInFlight });
    },
  });
  if (!copied) throw missingDirectory(node.digest, node.digest);
}

function filesOf({ entries }: Directory): FileNode[] {
  return entries.map(({ node }) => node).filter((node) => node.type === 'file');
}

/**
 * Copies some files at a time. After the first failure the others are given up, and have ended when it is
 * thrown: nothing goes on behind the caller's back.
 */
async function allSettled(
  files: readonly FileNode[],
  copy: (file: FileNode, signal: AbortSignal) => Promise<void>,
  { signal, blobsInFlight }: ServiceOptions & { readonly blobsInFlight: number },
): Promise<void> {
  if (files.length === 0) return;
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const failures: unknown[] = [];
  const waiting = files.values();
  const copyOn = async () => {
    try {
      for (const file of waiting) {
        either.throwIfAborted();
        await copy(file, either);
      }
    } catch (error) {
      failures.push(error);
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(blobsInFlight, files.length) }, copyOn));
  signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}

/** Counts what is taken from a source. */
class ByteBudget {
  readonly #maxBytes: number;
  #taken = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken <= this.#maxBytes) return;
    throw new NarthexError(
      'LIMIT_EXCEEDED',
      `the content has more than the ${this.#maxBytes} bytes that it may have`,
      { limit: 'maxBytes', expected: this.#maxBytes, actual: this.#taken },
    );
  }
}

function wrongFileSize(root: Node, expected: number, actual: number): NarthexError {
  return new NarthexError(
    'NODE_INVALID',
    `a file of the ${root.type} is said to have ${expected} bytes and has ${actual}`,
    { field: 'size', expected, actual },
  );
}
