/** The contract of services that keep castore directories by their digest. */
import type { ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';
import type { Directory } from './directory.ts';

/**
 * Keeps directories by their digest.
 *
 * - A directory that is there implies that all directories below it are there.
 * - Absence is `undefined`, never an error. A failure is never absence.
 * - Putting what is there already is not an error.
 */
export interface DirectoryService {
  /** The directory, or `undefined`. @throws DIGEST_MISMATCH when what is stored is damaged */
  get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined>;

  /**
   * A directory and all below it, each once: the root first, every other one after some directory
   * that refers to it. Nothing when the root is absent.
   * @throws DIRECTORY_MISSING while iterating, when one below it is gone
   */
  getRecursive(digest: Digest, options?: ServiceOptions): AsyncIterable<Directory>;

  /** Begins to put directories, leaves first. */
  openPut(options?: ServiceOptions): DirectoryPutter;
}

/**
 * Takes directories, each after all those it refers to; those may also be in the service already.
 * Disposing of it before `close` has settled makes none of them visible that refers to a missing one.
 */
export interface DirectoryPutter extends AsyncDisposable {
  /** @throws DIRECTORY_MISSING a directory that it refers to was neither put before nor is stored */
  put(directory: Directory): Promise<void>;
  /** Everything put is readable afterwards. */
  close(): Promise<void>;
}
