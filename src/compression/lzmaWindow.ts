/**
 * The last output of an LZMA decoder, to copy from and to hand out: a ring of bytes. It grows to the
 * size of the dictionary only as far as there is output, since headers ask for much and members can
 * be small and many.
 */
import { OUTPUT_PIECE_BYTES } from './decoder.ts';

/** Smaller dictionaries than this count as of this size. */
const MIN_DICTIONARY_BYTES = 4096;

export class LzmaWindow {
  readonly #dictionaryBytes: number;
  #ring = new Uint8Array(MIN_DICTIONARY_BYTES);
  #at = 0;
  #taken = 0;
  #total = 0;
  #pendingDistance = 0;
  #pendingLength = 0;

  constructor(dictionaryBytes: number) {
    this.#dictionaryBytes = Math.max(dictionaryBytes, MIN_DICTIONARY_BYTES);
  }

  /** All bytes that were put. */
  get total(): number {
    return this.#total;
  }

  /** Whether output has to be taken before more is put. */
  get wantsFlush(): boolean {
    return this.#at === this.#ring.length || this.#at - this.#taken >= OUTPUT_PIECE_BYTES;
  }

  /** The byte that lies `distance` back; 0 before the first. */
  byteAt(distance: number): number {
    const index = this.#at - distance;
    return this.#ring[index < 0 ? index + this.#ring.length : index] ?? 0;
  }

  put(byte: number): void {
    this.#ring[this.#at++] = byte;
    this.#total++;
  }

  /** Copies what lies `distance` back, as far as there is room; `false` if nothing lies there. */
  copy(distance: number, length: number): boolean {
    if (distance > this.#total || distance > this.#dictionaryBytes) return false;
    this.#pendingDistance = distance;
    this.#pendingLength = length;
    this.copyPending();
    return true;
  }

  /** Goes on with a copy for which there was no room; whether there was one. */
  copyPending(): boolean {
    if (this.#pendingLength === 0) return false;
    const ring = this.#ring;
    const count = Math.min(this.#pendingLength, ring.length - this.#at);
    let from = this.#at - this.#pendingDistance;
    if (from < 0) from += ring.length;
    for (let i = 0; i < count; i++) {
      // byte by byte: a match may repeat what it has just copied
      ring[this.#at++] = ring[from++] ?? 0;
      if (from === ring.length) from = 0;
    }
    this.#pendingLength -= count;
    this.#total += count;
    return true;
  }

  /** The bytes that were put and not taken. */
  take(): Uint8Array {
    const bytes = this.#ring.slice(this.#taken, this.#at);
    if (this.#at === this.#ring.length && !this.#grow()) this.#at = 0;
    this.#taken = this.#at;
    return bytes;
  }

  /** Makes room behind the output; `false` when the whole dictionary is there. */
  #grow(): boolean {
    if (this.#ring.length >= this.#dictionaryBytes) return false;
    const larger = new Uint8Array(Math.min(2 * this.#ring.length, this.#dictionaryBytes));
    larger.set(this.#ring);
    this.#ring = larger;
    return true;
  }
}
