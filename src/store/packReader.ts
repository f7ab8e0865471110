/** Reads from packs, those of other processes included. */
import { type FileHandle, open } from 'node:fs/promises';
import { NarthexError } from '../errors.ts';
import { packPath } from './layout.ts';
import { storeFailure } from './storeFailure.ts';

/** Packs kept open. */
const OPEN_PACKS = 64;
/**
 * What is read at once where less is asked for: records that were written together are read
 * together, and a system call costs more than copying so many bytes.
 */
const WINDOW_BYTES = 128 * 1024;

/** Packs that nobody reads are closed after that time: a collection may have removed them. */
const IDLE_MS = 30_000;

interface OpenPack {
  readonly handle: Promise<FileHandle>;
  readers: number;
  /** Milliseconds of a clock that does not jump. */
  usedAt: number;
  /** What was read last. Packs only grow, so it stays right. */
  window: { readonly offset: number; readonly length: number; readonly memory: Buffer } | undefined;
  /** No longer kept; the last reader closes it. */
  evicted: boolean;
}

/** Keeps the packs read last open. */
export class PackReader implements AsyncDisposable {
  readonly #store: string;
  /** In the order of their last use. */
  readonly #open = new Map<number, OpenPack>();
  /** Memory of windows that are in use no more: of as many as were read at the same time. */
  readonly #spareWindows: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: string) {
    this.#store = store;
  }

  /**
   * The bytes of a pack from `offset` on, `length` of them; little is read together with what follows it.
   * @throws STORE_INVALID the pack is gone, or shorter than it should be
   * @throws STORE_FAILED
   */
  async read(pack: number, offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(length);
    if (length < WINDOW_BYTES) await this.readWindowed(pack, offset, bytes);
    else await this.readInto(pack, offset, bytes);
    return bytes;
  }

  /** `readInto`, of little, which is read together with what follows it. @throws STORE_INVALID | STORE_FAILED */
  async readWindowed(pack: number, offset: number, target: Buffer): Promise<void> {
    await this.#reading(pack, offset, async (open) => {
      const { window } = open;
      const start = offset - (window?.offset ?? offset);
      if (window !== undefined && start >= 0 && start + target.length <= window.length) {
        window.memory.copy(target, 0, start);
        return;
      }
      const memory = this.#spareWindows.pop() ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
      const { length } = await readUpTo(await open.handle, offset, target.length, memory);
      if (length < target.length) throw this.#cutOff(pack, offset, target.length, length);
      memory.copy(target);
      // nobody has a view of the one before; new memory for each would keep the collector busy
      if (open.window !== undefined) this.#spareWindows.push(open.window.memory);
      open.window = { offset, length, memory };
    });
  }

  /**
   * Fills `target` with the bytes of a pack from `offset` on.
   * @throws STORE_INVALID the pack is gone, or shorter than it should be
   * @throws STORE_FAILED
   */
  async readInto(pack: number, offset: number, target: Buffer): Promise<void> {
    await this.#reading(pack, offset, async ({ handle }) => {
      const { length } = await readUpTo(await handle, offset, target.length, target);
      if (length < target.length) throw this.#cutOff(pack, offset, target.length, length);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const number of [...this.#open.keys()]) await this.#evict(number);
  }

  async #reading<T>(
    number: number,
    offset: number,
    action: (pack: OpenPack) => Promise<T>,
  ): Promise<T> {
    const path = packPath(this.#store, number);
    const pack = this.#acquire(number, path);
    try {
      return await action(pack);
    } catch (error) {
      throw missing(error)
        ? new NarthexError('STORE_INVALID', `a pack is gone: ${path}`, { path, offset }, error)
        : storeFailure('reading a pack', path, error);
    } finally {
      await this.#release(pack);
    }
  }

  #cutOff(number: number, offset: number, expected: number, actual: number): NarthexError {
    const path = packPath(this.#store, number);
    const facts = { path, offset, expected, actual };
    return new NarthexError('STORE_INVALID', `a pack is cut off: ${path}`, facts);
  }

  #acquire(number: number, path: string): OpenPack {
    let pack = this.#open.get(number);
    if (pack === undefined) {
      const handle = open(path, 'r');
      pack = { handle, readers: 0, usedAt: 0, window: undefined, evicted: false };
      this.#timer ??= setInterval(() => this.#closeIdle(), IDLE_MS).unref();
      // read() sees the failure; the next one tries again
      pack.handle.catch(() => this.#open.delete(number));
    }
    this.#open.delete(number);
    this.#open.set(number, pack);
    pack.readers++;
    const [oldest] = this.#open.keys();
    if (this.#open.size > OPEN_PACKS && oldest !== undefined) void this.#evict(oldest);
    return pack;
  }

  async #release(pack: OpenPack): Promise<void> {
    pack.readers--;
    pack.usedAt = performance.now();
    if (pack.evicted && pack.readers === 0) await closeQuietly(pack);
  }

  #closeIdle(): void {
    const before = performance.now() - IDLE_MS;
    for (const [number, { readers, usedAt }] of this.#open) {
      if (readers === 0 && usedAt < before) void this.#evict(number);
    }
  }

  async #evict(number: number): Promise<void> {
    const pack = this.#open.get(number);
    if (pack === undefined) return;
    this.#open.delete(number);
    pack.evicted = true;
    if (pack.readers === 0) await closeQuietly(pack);
  }
}

/** At least `least` bytes and up to the length of `memory`, fewer where the file ends. */
async function readUpTo(
  handle: FileHandle,
  offset: number,
  least: number,
  memory: Buffer,
): Promise<Uint8Array> {
  let length = 0;
  while (length < least) {
    const { bytesRead } = await handle.read(
      memory,
      length,
      memory.length - length,
      offset + length,
    );
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return memory.subarray(0, length);
}

/** A file that was only read has nothing to lose when closing fails. */
async function closeQuietly(pack: OpenPack): Promise<void> {
  await pack.handle.then((handle) => handle.close()).catch(() => {});
}

function missing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
