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
}

/**
 * Copies what the target lacks: directories leaves first, and before each the blobs that it names.
 * Each digest is looked at once, whatever the tree renders to; nothing is recursive.
 * @throws BLOB_MISSING | DIRECTORY_MISSING the source lacks something
 * @throws DIGEST_MISMATCH | DIRECTORY_INVALID | NODE_INVALID the source gives what it should not
 */
export async function copyNode(node: Node, options: CopyNodeOptions): Promise<void> {
  const { from, to, signal } = options;
  signal?.throwIfAborted();
  if (node.type === 'symlink') return;
  const seen = new Set<string>();
  const copyFile = async ({ digest, size }: FileNode) => {
    const stat = await to.blobService.stat(digest, { signal });
    if (stat !== undefined) {
      if (stat.size !== size) throw wrongFileSize(node, size, stat.size);
      return;
    }
    const copied = await copyBlob(digest, from.blobService, to.blobService, {
      signal,
      expectedSize: size,
    });
    if (!copied) {
      throw new NarthexError('BLOB_MISSING', `blob ${digest} is not there`, {
        digest: String(digest),
      });
    }
  };
  if (node.type === 'file') return await copyFile(node);
  const copied = await copyDirectories(node.digest, {
    from: from.directoryService,
    to: to.directoryService,
    signal,
    beforePut: (directory) => copyFiles(directory, seen, copyFile),
  });
  if (!copied) throw missingDirectory(node.digest, node.digest);
  const root = await to.directoryService.get(node.digest, { signal });
  if (root !== undefined && root.size !== node.size) {
    throw new NarthexError(
      'NODE_INVALID',
      `directory ${node.digest} has ${root.size} nodes below it, not ${node.size}`,
      { digest: String(node.digest), field: 'size', expected: node.size, actual: root.size },
    );
  }
}

async function copyFiles(
  directory: Directory,
  seen: Set<string>,
  copyFile: (file: FileNode) => Promise<void>,
): Promise<void> {
  const files = directory.entries
    .map(({ node }) => node)
    .filter((node) => node.type === 'file')
    // the same digest under another size is looked at again
    .filter(({ digest, size }) => seen.size < seen.add(`${digest.key} ${size}`).size)
    .values();
  const copyOn = async () => {
    for (const file of files) await copyFile(file);
  };
  // all settle before one of them fails the copy, so that nothing goes on behind its back
  const outcomes = await Promise.allSettled(Array.from({ length: BLOBS_IN_FLIGHT }, copyOn));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

function wrongFileSize(root: Node, expected: number, actual: number): NarthexError {
  return new NarthexError(
    'NODE_INVALID',
    `a file of the ${root.type} is said to have ${expected} bytes and has ${actual}`,
    { field: 'size', expected, actual },
  );
}
