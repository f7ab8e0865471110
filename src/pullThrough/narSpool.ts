/**
 * A NAR on its way in, in a temporary file. One writes, any number read at their own pace what has been
 * written, and nobody waits for anybody: a reader that is slow, or gone, is none of the writer's business.
 *
 * The file has no name by the time that it holds anything, and ends with the ingest: whoever is behind
 * by then reads on from castore.
 */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import type { NarTap } from '../ingest/upstreamIngest.ts';

/** Only we read it. */
const FILE_MODE = 0o600;

/** What a {@link NarSpool} tells. */
export interface SpoolListener {
  /** There is more to read, or it has ended. */
  changed(): void;
  /** It could not be written or read; the ingest goes on without it. */
  broken(error: unknown): void;
  /** The file is gone, and its space free. */
  released(): void;
}

/** The bytes of a NAR that have come so far. */
export class NarSpool implements NarTap {
  readonly #file: FileHandle;
  readonly #listener: SpoolListener;
  #lengthBytes = 0;
  #isOpen = true;
  #inUse = 0;
  #failure: { readonly error: unknown } | undefined;

  private constructor(file: FileHandle, listener: SpoolListener) {
    this.#file = file;
    this.#listener = listener;
  }

  /**
   * Makes the file at `path`, and removes its name.
   * @throws the system's error
   */
  static async create(path: string, listener: SpoolListener): Promise<NarSpool> {
    const file = await open(path, 'wx+', FILE_MODE);
    try {
      await unlink(path);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new NarSpool(file, listener);
  }

  /** How many bytes can be read now: 0 once it has ended. */
  get readableBytes(): number {
    return this.#isOpen ? this.#lengthBytes : 0;
  }

  /** Why the NAR is not what it should be: what was read here may be wrong. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) return;
    await this.#use(async () => {
      for (let done = 0; done < bytes.length; ) {
        const at = this.#lengthBytes + done;
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at);
        done += bytesWritten;
      }
      this.#lengthBytes += bytes.length;
    });
    this.#listener.changed();
  }

  /**
   * @param start less than {@link readableBytes}
   * @returns up to `maxBytes`, at least one; `undefined` when it has ended meanwhile
   */
  async read(start: number, maxBytes: number): Promise<Uint8Array | undefined> {
    if (!this.#isOpen) return undefined;
    const length = Math.min(maxBytes, this.#lengthBytes - start);
    return await this.#use(async () => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await this.#file.read(bytes, 0, length, start);
      if (bytesRead === 0) throw new Error(`a spool has no byte ${start}`);
      return bytes.subarray(0, bytesRead);
    });
  }

  end(failure?: { readonly error: unknown }): void {
    this.#failure = failure;
    this.#close();
    this.#listener.changed();
  }

  /** Keeps the file open; what fails ends the spool and nothing else. */
  async #use<T>(action: () => Promise<T>): Promise<T | undefined> {
    this.#inUse++;
    try {
      return await action();
    } catch (error) {
      if (this.#isOpen) this.#listener.broken(error);
      this.#close();
      return undefined;
    } finally {
      this.#inUse--;
      this.#releaseIfUnused();
    }
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#releaseIfUnused();
  }

  /** Comes to it once: it is closed once, and nothing is begun afterwards. */
  #releaseIfUnused(): void {
    if (this.#isOpen || this.#inUse > 0) return;
    const release = () => this.#listener.released();
    this.#file.close().then(release, release);
  }
}
