/**
 * Rows of the index in the order in which they lie in packs, so that packs are read from front to back. Held in
 * a few bytes each: a store has many millions.
 */
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import type { IndexedRecord } from '../store/recordCheck.ts';
import { decodeLocation, encodeLocation } from '../store/schema.ts';

const KINDS = ['chunk', 'directory'] as const;
const LOCATION_BYTES = 19;
const ENTRY_BYTES = 1 + DIGEST_BYTES + LOCATION_BYTES;
/** Where in an entry pack and offset stand, big-endian, so that entries can be compared as bytes. */
const PLACE_START = 1 + DIGEST_BYTES;
const PLACE_END = PLACE_START + 10;
const FIRST_CAPACITY = 1024;

/** Records that are to be visited in their order. */
export class PlacedRecords {
  #entries = Buffer.allocUnsafe(FIRST_CAPACITY * ENTRY_BYTES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add({ kind, digest, location }: IndexedRecord): void {
    const start = this.#count * ENTRY_BYTES;
    if (start === this.#entries.length) {
      const larger = Buffer.allocUnsafe(2 * start);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#entries[start] = KINDS.indexOf(kind);
    this.#entries.set(digest.bytes, start + 1);
    this.#entries.set(encodeLocation(location), start + PLACE_START);
    this.#count += 1;
  }

  clear(): void {
    this.#count = 0;
  }

  /** All of them by pack and offset, each place once. */
  *inOrder(): Generator<IndexedRecord, void, undefined> {
    const order = new Uint32Array(this.#count).map((_, index) => index * ENTRY_BYTES);
    const entries = this.#entries;
    const compare = (a: number, b: number) =>
      entries.compare(entries, b + PLACE_START, b + PLACE_END, a + PLACE_START, a + PLACE_END);
    order.sort(compare);
    let previous: number | undefined;
    for (const start of order) {
      // several paths may have named it
      if (previous !== undefined && this.#isSame(previous, start)) continue;
      previous = start;
      const kind = KINDS[entries[start] ?? KINDS.length];
      if (kind === undefined) throw new TypeError('an entry has a kind'); // see add
      yield {
        kind,
        digest: new Digest(Uint8Array.from(entries.subarray(start + 1, start + PLACE_START))),
        location: decodeLocation(entries.subarray(start + PLACE_START, start + ENTRY_BYTES)),
      };
    }
  }

  #isSame(a: number, b: number): boolean {
    return this.#entries.compare(this.#entries, b, b + ENTRY_BYTES, a, a + ENTRY_BYTES) === 0;
  }
}
