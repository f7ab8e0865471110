/**
 * Directories for what is measured: new ones each time, on disk or in memory.
 *
 * On ext4 making files right after a large tree was removed takes many times longer, so what lies on
 * disk is removed when all is over. What lies in memory is removed at once: there is not much of it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const MEDIA = ['RAM', 'disk'] as const;
/** What a directory lies on. */
export type Medium = (typeof MEDIA)[number];

const MEMORY_FILE_SYSTEM = '/dev/shm';
const execute = promisify(execFile);

/** New directories, all of them removed when this is disposed of. */
export class Places implements AsyncDisposable {
  readonly #roots: Readonly<Record<Medium, string | undefined>>;

  private constructor(disk: string, memory: string | undefined) {
    this.#roots = { disk, RAM: memory };
  }

  /** @param directory where what lies on disk goes */
  static async open(directory: string): Promise<Places> {
    await mkdir(directory, { recursive: true });
    const disk = await mkdtemp(join(directory, 'run-'));
    const memory = existsSync(MEMORY_FILE_SYSTEM)
      ? await mkdtemp(join(MEMORY_FILE_SYSTEM, 'narthex-bench-'))
      : undefined;
    return new Places(disk, memory);
  }

  /** A directory that is not there yet, in a new one that is. */
  async fresh(medium: Medium): Promise<string> {
    const root = this.#root(medium);
    // what earlier runs left to be written must not be written during this one
    if (medium === 'disk') await execute('sync', ['-f', root]);
    return join(await mkdtemp(join(root, 'new-')), 'x');
  }

  /** A new directory for what is neither measured nor large. */
  async freshDirectory(): Promise<string> {
    return await mkdtemp(join(this.#root('disk'), 'other-'));
  }

  /** A file that is not there yet, for what a measurement is told. */
  async freshFile(): Promise<string> {
    return join(await this.freshDirectory(), 'x');
  }

  /** Says that a directory from `fresh` is not needed any more. */
  async done(medium: Medium, path: string): Promise<void> {
    if (medium === 'RAM') await remove(path);
  }

  /** Media on which so many bytes have room. */
  async mediaFor(bytes: number): Promise<Medium[]> {
    const fitting: Medium[] = [];
    for (const medium of MEDIA) {
      if (this.#roots[medium] === undefined) continue;
      const { bavail, bsize } = await statfs(this.#root(medium));
      if (bavail * bsize >= bytes) fitting.push(medium);
    }
    return fitting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const root of [this.#roots.RAM, this.#roots.disk]) {
      if (root !== undefined) await remove(root);
    }
  }

  #root(medium: Medium): string {
    const root = this.#roots[medium];
    if (root === undefined) throw new TypeError(`there is no ${medium} to write to`);
    return root;
  }
}

/** Store paths that Nix restored have directories without write permission. */
async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await execute('chmod', ['-R', 'u+w', path]);
    await rm(path, { recursive: true, force: true });
  }
}
