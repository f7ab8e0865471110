/** One pack that this process appends to. */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodePackHeader } from './packFormat.ts';

/**
 * Records are copied into blocks of this length, and blocks written whole: few system calls, and
 * no record's own memory, which may be larger than the record, is held until then.
 */
const BLOCK_BYTES = 1024 * 1024;

/**
 * Appends to a new file. What is appended has its place at once; it is in the file after
 * `writeOut`, and on disk after `sync`. After a failure nothing more is written, and every call
 * rejects with that failure.
 */
export class PackFile {
  readonly number: number;
  readonly path: string;
  readonly #handle: FileHandle;
  /** Full blocks to be written, in order. */
  #queue: Buffer[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #blockLength = 0;
  /** Blocks that were written and can be filled again. */
  readonly #spare: Buffer[] = [];
  #end = 0;
  #writtenEnd = 0;
  #syncedEnd = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(number: number, path: string, handle: FileHandle) {
    this.number = number;
    this.path = path;
    this.#handle = handle;
    this.append([encodePackHeader()]);
  }

  /** Makes the pack, which must not exist; its name is on disk afterwards. */
  static async create(number: number, path: string): Promise<PackFile> {
    const handle = await open(path, 'wx');
    try {
      const directory = await open(dirname(path), 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new PackFile(number, path, handle);
  }

  /** The offset at which the next record will lie. */
  get end(): number {
    return this.#end;
  }

  /** Up to where the file can be read. */
  get writtenEnd(): number {
    return this.#writtenEnd;
  }

  /** Copies the parts of a record. @returns the record's offset */
  append(parts: readonly Uint8Array[]): number {
    const offset = this.#end;
    for (const part of parts) {
      for (let copied = 0; copied < part.length; ) {
        const piece = part.subarray(copied, copied + BLOCK_BYTES - this.#blockLength);
        this.#block.set(piece, this.#blockLength);
        this.#blockLength += piece.length;
        copied += piece.length;
        if (this.#blockLength === BLOCK_BYTES) this.#nextBlock();
      }
      this.#end += part.length;
    }
    return offset;
  }

  /** Whether blocks have become full that are not being written. */
  get isBehind(): boolean {
    return this.#queue.length > 0;
  }

  /** Waits where a block has become full: no more than a few are ever held. */
  async drain(): Promise<void> {
    if (this.isBehind) await this.writeOut();
  }

  /** Everything appended before the call can be read from the file afterwards. */
  writeOut(): Promise<void> {
    // one after the other; a failed one fails all that follow
    this.#writing = this.#writing.then(() => this.#writeQueue());
    return this.#writing;
  }

  /** Everything appended before the call is on disk afterwards. */
  async sync(): Promise<void> {
    await this.writeOut();
    const end = this.#writtenEnd;
    if (end === this.#syncedEnd) return;
    await this.#handle.datasync();
    this.#syncedEnd = Math.max(this.#syncedEnd, end);
  }

  async close(): Promise<void> {
    // a failure was reported to those who wrote
    await this.#writing.catch(() => {});
    await this.#handle.close();
  }

  #nextBlock(): void {
    this.#queue.push(this.#block.subarray(0, this.#blockLength));
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#blockLength = 0;
  }

  async #writeQueue(): Promise<void> {
    if (this.#blockLength > 0) this.#nextBlock();
    const blocks = this.#queue;
    this.#queue = [];
    for (const block of blocks) {
      for (let written = 0; written < block.length; ) {
        const { bytesWritten } = await this.#handle.write(
          block,
          written,
          block.length - written,
          this.#writtenEnd + written,
        );
        written += bytesWritten;
      }
      this.#writtenEnd += block.length;
      if (this.#spare.length === 0) this.#spare.push(Buffer.from(block.buffer));
    }
  }
}
