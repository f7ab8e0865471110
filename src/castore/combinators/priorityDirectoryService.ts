/** Several directory services, asked in order. */
import type { ServiceOptions } from '../blobService.ts';
import type { Digest } from '../digest.ts';
import type { Directory } from '../directory.ts';
import type { DirectoryPutter, DirectoryService } from '../directoryService.ts';
import { walkDirectories } from '../walk.ts';
import type { CoolDown } from './coolDown.ts';
import { firstAnswer } from './firstAnswer.ts';

/**
 * Reads from the first member that has a directory; puts go to the first member. A member that
 * cannot be asked is left alone for a while and comes back by itself.
 */
export class PriorityDirectoryService implements DirectoryService {
  readonly #members: readonly [DirectoryService, ...DirectoryService[]];
  readonly #coolDown: CoolDown<DirectoryService>;

  constructor(
    members: readonly [DirectoryService, ...DirectoryService[]],
    coolDown: CoolDown<DirectoryService>,
  ) {
    this.#members = members;
    this.#coolDown = coolDown;
  }

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    const ask = (member: DirectoryService) => member.get(digest, options);
    return await firstAnswer(this.#members, this.#coolDown, ask, { signal: options?.signal });
  }

  /** Each from the first member that has it: what one lacks below may be in another. */
  getRecursive(digest: Digest, options?: ServiceOptions): AsyncIterable<Directory> {
    return walkDirectories(this, digest, options);
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    return this.#members[0].openPut(options);
  }
}
