/** Copying directories from one service to another, leaves first. */
import { NarthexError } from '../errors.ts';
import type { ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';
import type { Directory } from './directory.ts';
import type { DirectoryService } from './directoryService.ts';
import { DirectoryNode } from './node.ts';
import { missingDirectory } from './walk.ts';

/**
 * Directories that are asked for in one go and held until their turn comes. What goes beyond is asked
 * for one by one.
 */
const READ_AHEAD_BYTES = 64 * 1024 * 1024;

/** How to copy. */
export interface CopyDirectoriesOptions extends ServiceOptions {
  readonly from: Pick<DirectoryService, 'get' | 'getRecursive'>;
  readonly to: DirectoryService;
  /** Told of every directory that comes from the source, before anything is done with it. */
  readonly onFetched?: ((directory: Directory) => void) | undefined;
  /**
   * Called with every directory once, after those below it and before it is put where it was not
   * there. Also what is there already is gone through then; without it that is left alone.
   */
  readonly beforePut?: ((directory: Directory) => Promise<void>) | undefined;
}

interface Frame {
  readonly directory: Directory;
  readonly isThere: boolean;
  next: number;
}

/**
 * Copies a directory and all below it, each once, without recursion.
 * @param root the digest, or a node whose size is compared too
 * @returns false when the source does not have the root
 * @throws DIRECTORY_MISSING one below the root is gone
 * @throws DIGEST_MISMATCH the source gives another directory than it was asked for
 * @throws DIRECTORY_INVALID a directory says another size of one below it than that has
 * @throws NODE_INVALID the node that is given does
 */
export async function copyDirectories(
  root: Digest | DirectoryNode,
  options: CopyDirectoriesOptions,
): Promise<boolean> {
  const { from, to, beforePut, onFetched, signal } = options;
  const rootDigest = root instanceof DirectoryNode ? root.digest : root;
  const ahead = new ReadAhead(from, { signal, onFetched });
  const find = async (digest: Digest) => {
    const there = await to.get(digest, { signal });
    const directory = there ?? (await ahead.get(digest));
    if (directory !== undefined && !directory.digest.equals(digest)) {
      throw new NarthexError('DIGEST_MISMATCH', `asked for directory ${digest}, given another`, {
        expected: String(digest),
        actual: String(directory.digest),
      });
    }
    return directory && { directory, isThere: there !== undefined };
  };

  if ((await to.get(rootDigest, { signal })) === undefined) await ahead.begin(rootDigest);
  const first = await find(rootDigest);
  if (first === undefined) return false;
  if (root instanceof DirectoryNode) checkRoot(root, first.directory);
  if (first.isThere && beforePut === undefined) return true;
  /** Sizes by key: whoever refers to a directory, first or again, must say the one that it has. */
  const sizes = new Map<string, number>([[rootDigest.key, first.directory.size]]);
  const open: Frame[] = [{ ...first, next: 0 }];
  await using putter = to.openPut({ signal });
  for (let frame = open.at(-1); frame !== undefined; frame = open.at(-1)) {
    signal?.throwIfAborted();
    const child = nextDirectory(frame);
    if (child === undefined) {
      open.pop();
      await beforePut?.(frame.directory);
      if (!frame.isThere) await putter.put(frame.directory);
      continue;
    }
    const { key } = child.digest;
    const known = sizes.get(key);
    if (known !== undefined) {
      checkSize(child, known, frame.directory);
      continue;
    }
    const found = await find(child.digest);
    if (found === undefined) throw missingDirectory(child.digest, frame.directory.digest);
    checkSize(child, found.directory.size, frame.directory);
    sizes.set(key, found.directory.size);
    // what is there is whole, unless somebody wants to see all of it
    if (!found.isThere || beforePut !== undefined) open.push({ ...found, next: 0 });
  }
  await putter.close();
  return true;
}

function nextDirectory(frame: Frame): DirectoryNode | undefined {
  const { entries } = frame.directory;
  while (frame.next < entries.length) {
    const node = entries[frame.next++]?.node;
    if (node?.type === 'directory') return node;
  }
  return undefined;
}

function checkSize(node: DirectoryNode, size: number, parent: Directory): void {
  if (node.size === size) return;
  throw new NarthexError(
    'DIRECTORY_INVALID',
    `directory ${parent.digest} says that ${node.size} nodes are below ${node.digest}; there are ${size}`,
    { digest: String(parent.digest), field: 'size', expected: size, actual: node.size },
  );
}

function checkRoot({ digest, size }: DirectoryNode, directory: Directory): void {
  if (size === directory.size) return;
  throw new NarthexError(
    'NODE_INVALID',
    `directory ${digest} has ${directory.size} nodes below it, not ${size}`,
    { digest: String(digest), field: 'size', expected: size, actual: directory.size },
  );
}

/** Directories that came in one go, as far as memory allows. */
class ReadAhead {
  readonly #from: Pick<DirectoryService, 'get' | 'getRecursive'>;
  readonly #options: Pick<CopyDirectoriesOptions, 'signal' | 'onFetched'>;
  readonly #held = new Map<string, Directory>();

  constructor(
    from: Pick<DirectoryService, 'get' | 'getRecursive'>,
    options: Pick<CopyDirectoriesOptions, 'signal' | 'onFetched'>,
  ) {
    this.#from = from;
    this.#options = options;
  }

  async begin(root: Digest): Promise<void> {
    let bytes = 0;
    const { signal, onFetched } = this.#options;
    for await (const directory of this.#from.getRecursive(root, { signal })) {
      onFetched?.(directory);
      this.#held.set(directory.digest.key, directory);
      bytes += directory.encode().length;
      if (bytes > READ_AHEAD_BYTES) return;
    }
  }

  async get(digest: Digest): Promise<Directory | undefined> {
    const held = this.#held.get(digest.key);
    if (held !== undefined) {
      this.#held.delete(digest.key);
      return held;
    }
    const { signal, onFetched } = this.#options;
    const directory = await this.#from.get(digest, { signal });
    if (directory !== undefined) onFetched?.(directory);
    return directory;
  }
}
