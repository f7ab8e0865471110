/** Where spools lie, and how much of the disk they may take together. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NarthexError } from '../errors.ts';
import { NarSpool } from './narSpool.ts';

/**
 * NARs that are spooled at the same time have no more bytes together, by default. A NAR for which there is
 * no room is served once it is in.
 */
export const DEFAULT_SPOOL_BYTES = 4 * 1024 ** 3;

/** Names of spools: of process and number. */
const SPOOL_NAME = /^narthex-spool-[0-9]+-[0-9]+$/;
/** Over all directories of this process. */
let spoolsMade = 0;

/** Where, and how much. */
export interface SpoolDirectoryOptions {
  readonly path: string;
  readonly maxBytes?: number | undefined;
  /** Told why a NAR was not spooled, or not to its end. */
  readonly onBroken?: ((error: unknown) => void) | undefined;
}

/** Makes spools. */
export class SpoolDirectory implements AsyncDisposable {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #onBroken: (error: unknown) => void;
  readonly #released = new Set<Promise<void>>();
  #reservedBytes = 0;

  private constructor({ path, maxBytes, onBroken }: SpoolDirectoryOptions) {
    this.#path = path;
    this.#maxBytes = maxBytes ?? DEFAULT_SPOOL_BYTES;
    this.#onBroken = onBroken ?? (() => {});
  }

  /**
   * Makes the directory if it is missing, and removes what a crash has left: a spool has its name for a
   * moment only, and one that another process is about to use is open to it without its name as well.
   * @throws STORE_FAILED
   */
  static async open(options: SpoolDirectoryOptions): Promise<SpoolDirectory> {
    const { path } = options;
    try {
      await mkdir(path, { recursive: true });
      for (const name of await readdir(path)) {
        if (SPOOL_NAME.test(name)) await rm(join(path, name), { force: true });
      }
    } catch (error) {
      throw spoolFailed(path, error);
    }
    return new SpoolDirectory(options);
  }

  /** Bytes that are spoken for. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /**
   * A spool for a NAR of so many bytes, for which room is kept until the spool has ended.
   * @returns `undefined` where there is no room, or none can be made
   */
  async spool(narSizeBytes: number, changed: () => void): Promise<NarSpool | undefined> {
    if (this.#reservedBytes + narSizeBytes > this.#maxBytes) return undefined;
    this.#reservedBytes += narSizeBytes;
    const released = Promise.withResolvers<void>();
    this.#released.add(released.promise);
    const release = () => {
      this.#reservedBytes -= narSizeBytes;
      this.#released.delete(released.promise);
      released.resolve();
    };
    const broken = (error: unknown) => this.#onBroken(spoolFailed(this.#path, error));
    const path = join(this.#path, `narthex-spool-${process.pid}-${spoolsMade++}`);
    try {
      return await NarSpool.create(path, { changed, broken, released: release });
    } catch (error) {
      release();
      broken(error);
      return undefined;
    }
  }

  /** Waits for the spools, which end with their ingests. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#released);
  }
}

function spoolFailed(path: string, error: unknown): NarthexError {
  const { message, code } = error instanceof Error ? systemError(error) : { message: '', code: '' };
  return new NarthexError(
    'STORE_FAILED',
    `NARs cannot be spooled in ${path}: ${message}`,
    { path, systemCode: code },
    error,
  );
}

function systemError(error: Error): { message: string; code: string | undefined } {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { message: error.message, code };
}
