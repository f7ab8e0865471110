/**
 * Reads directories without leaving the current turn: inside a transaction nothing can be awaited, and
 * what was committed a moment before it must be followed there.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { Digest } from '../../castore/digest.ts';
import { Directory } from '../../castore/directory.ts';
import { NarthexError } from '../../errors.ts';
import { packPath } from '../layout.ts';
import { dataOffset, type RecordLocation } from '../packFormat.ts';
import { decodeData } from '../recordEncoding.ts';
import { storeFailure } from '../storeFailure.ts';

/** Packs kept open. */
const OPEN_PACKS = 32;

/** Reads directories out of packs. */
export class DirectoryReader implements Disposable {
  readonly #store: string;
  readonly #files = new Map<number, number>();

  constructor(store: string) {
    this.#store = store;
  }

  /** @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED */
  read(digest: Digest, location: RecordLocation): Directory {
    const path = packPath(this.#store, location.pack);
    const bytes = Buffer.allocUnsafe(location.encodedSize);
    let length: number;
    try {
      length = readSync(this.#open(location.pack), bytes, 0, bytes.length, dataOffset(location));
    } catch (error) {
      throw storeFailure('reading a pack', path, error);
    }
    const { offset } = location;
    let decoded: Uint8Array;
    try {
      decoded = decodeData(location.encoding, bytes.subarray(0, length), location.size);
    } catch (error) {
      const expected = String(digest);
      const message = `a record does not decompress: ${path} at ${offset}`;
      throw new NarthexError('DIGEST_MISMATCH', message, { path, offset, expected }, error);
    }
    const actual = Digest.of(decoded);
    if (actual.equals(digest)) return Directory.decode(decoded);
    throw new NarthexError('DIGEST_MISMATCH', `a record is damaged: ${path} at ${offset}`, {
      path,
      offset,
      expected: String(digest),
      actual: String(actual),
    });
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  #open(pack: number): number {
    const known = this.#files.get(pack);
    if (known !== undefined) return known;
    const [oldest] = this.#files;
    if (oldest !== undefined && this.#files.size >= OPEN_PACKS) {
      closeSync(oldest[1]);
      this.#files.delete(oldest[0]);
    }
    const file = openSync(packPath(this.#store, pack), 'r');
    this.#files.set(pack, file);
    return file;
  }
}
