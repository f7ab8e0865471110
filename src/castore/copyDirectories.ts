/** Copying directories from one service to another, leaves first. */
import { NarthexError } from '../errors.ts';
import type { ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';
import type { Directory } from './directory.ts';
import type { DirectoryService } from './directoryService.ts';
import type { DirectoryNode } from './node.ts';
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
 */
export async function copyDirectories(
  root: Digest,
  options: CopyDirectoriesOptions,
): Promise<boolean> {
  const { from, to, beforePut, signal } = options;
  if (beforePut === undefined && (await to.get(root, { signal })) !== undefined) return true;
  const ahead = new ReadAhead(from, { signal });
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

  if ((await to.get(root, { signal })) === undefined) await ahead.begin(root);
  const first = await find(root);
  if (first === undefined) return false;
  const done = new Set<string>([root.key]);
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
    if (done.has(child.digest.key)) continue;
    done.add(child.digest.key);
    const found = await find(child.digest);
    if (found === undefined) throw missingDirectory(child.digest, frame.directory.digest);
    checkSize(child, found.directory, frame.directory);
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

/** A directory that is met again under another size is not compared: its digest stands for it. */
function checkSize(node: DirectoryNode, directory: Directory, parent: Directory): void {
  if (node.size === directory.size) return;
  throw new NarthexError(
    'DIRECTORY_INVALID',
    `directory ${parent.digest} says that ${node.size} nodes are below ${node.digest}; there are ${directory.size}`,
    { digest: String(parent.digest), field: 'size', expected: directory.size, actual: node.size },
  );
}

/** Directories that came in one go, as far as memory allows. */
class ReadAhead {
  readonly #from: Pick<DirectoryService, 'get' | 'getRecursive'>;
  readonly #options: ServiceOptions;
  readonly #held = new Map<string, Directory>();

  constructor(from: Pick<DirectoryService, 'get' | 'getRecursive'>, options: ServiceOptions) {
    this.#from = from;
    this.#options = options;
  }

  async begin(root: Digest): Promise<void> {
    let bytes = 0;
    for await (const directory of this.#from.getRecursive(root, this.#options)) {
      this.#held.set(directory.digest.key, directory);
      bytes += directory.encode().length;
      if (bytes > READ_AHEAD_BYTES) return;
    }
  }

  async get(digest: Digest): Promise<Directory | undefined> {
    const held = this.#held.get(digest.key);
    this.#held.delete(digest.key);
    return held ?? (await this.#from.get(digest, this.#options));
  }
}
