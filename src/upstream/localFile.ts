/** A regular file of the local file system, open for reading at any place. */
import { type FileHandle, open } from 'node:fs/promises';
import type { NarthexError } from '../errors.ts';
import { codeOf, upstreamFailed } from './failure.ts';

/** Large enough that the round trip through Node's thread pool does not count. */
export const FILE_CHUNK_BYTES = 512 * 1024;

/** The failure of a call to the file system. */
export function ioFailed(url: string, cause: unknown): NarthexError {
  return upstreamFailed('io', url, `cannot be read (${codeOf(cause)})`, {}, cause);
}

/**
 * Closing waits for the reads that are under way: a file descriptor that is closed under a read may
 * by then belong to another file.
 */
export class LocalFile implements AsyncDisposable {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #url: string;
  #reads = 0;
  #closing: PromiseWithResolvers<void> | undefined;

  private constructor(handle: FileHandle, sizeBytes: number, url: string) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
    this.#url = url;
  }

  /**
   * @param url what errors call it
   * @throws UPSTREAM_FAILED (kind `io`) it is not a regular file
   * @throws the file system's own error if it cannot be opened
   */
  static async open(path: string | Buffer, flags: number, url: string): Promise<LocalFile> {
    const handle = await open(path, flags);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw upstreamFailed('io', url, 'not a regular file');
      return new LocalFile(handle, stats.size, url);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Exactly `length` bytes from `start` on, in memory of their own.
   * @throws UPSTREAM_FAILED kind `length` when the file ends before, `closed`, `io`
   */
  async read(start: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const bytesRead = await this.#read(buffer, filled, start + filled);
      if (bytesRead === 0) {
        throw upstreamFailed('length', this.#url, 'the file ends too early', {
          expected: start + length,
          actual: start + filled,
        });
      }
      filled += bytesRead;
    }
    return buffer;
  }

  /** The bytes from `start` up to `end`, exclusive, in pieces. Fails as {@link read} does. */
  async *chunks(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let offset = start; offset < end; offset += FILE_CHUNK_BYTES) {
      yield await this.read(offset, Math.min(FILE_CHUNK_BYTES, end - offset));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.withResolvers();
    this.#resolveWhenIdle();
    await this.#closing.promise;
    await this.#handle.close();
  }

  async #read(buffer: Buffer, at: number, position: number): Promise<number> {
    if (this.#closing !== undefined) throw upstreamFailed('closed', this.#url, 'closed already');
    this.#reads++;
    try {
      return (await this.#handle.read(buffer, at, buffer.length - at, position)).bytesRead;
    } catch (error) {
      throw ioFailed(this.#url, error);
    } finally {
      this.#reads--;
      this.#resolveWhenIdle();
    }
  }

  #resolveWhenIdle(): void {
    if (this.#reads === 0) this.#closing?.resolve();
  }
}
