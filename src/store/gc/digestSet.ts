/** A set of digests in 16 bytes each: a store of a terabyte has millions of chunks. */
import type { Digest } from '../../castore/digest.ts';

/** Words that are kept of a digest: to find two that agree in them takes 2^64 hashes. */
const WORDS = 4;
const FIRST_SLOTS = 1024;
/** It grows when it is fuller than that. */
const MAX_LOAD = 0.6;

/** Digests, as far as their first 16 bytes tell them apart. */
export class DigestSet {
  #slots = FIRST_SLOTS;
  #words = new Uint32Array(FIRST_SLOTS * WORDS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has({ bytes }: Pick<Digest, 'bytes'>): boolean {
    return this.#isAt(this.#slotOf(wordsOf(bytes)));
  }

  /** @returns whether it was not there before */
  add({ bytes }: Pick<Digest, 'bytes'>): boolean {
    const words = wordsOf(bytes);
    const slot = this.#slotOf(words);
    if (this.#isAt(slot)) return false;
    this.#words.set(words, slot * WORDS);
    this.#size++;
    if (this.#size > this.#slots * MAX_LOAD) this.#grow();
    return true;
  }

  /** All zeros stand for an empty slot. */
  #isAt(slot: number): boolean {
    for (let i = 0; i < WORDS; i++) if (this.#words[slot * WORDS + i] !== 0) return true;
    return false;
  }

  /** Where it is, or would be put. */
  #slotOf(words: Uint32Array): number {
    let slot = (words[0] ?? 0) % this.#slots;
    while (this.#isAt(slot)) {
      let same = true;
      for (let i = 0; i < WORDS; i++) same &&= this.#words[slot * WORDS + i] === words[i];
      if (same) return slot;
      slot = (slot + 1) % this.#slots;
    }
    return slot;
  }

  #grow(): void {
    const before = this.#words;
    this.#slots *= 2;
    this.#words = new Uint32Array(this.#slots * WORDS);
    for (let start = 0; start < before.length; start += WORDS) {
      const words = before.subarray(start, start + WORDS);
      if (words.every((word) => word === 0)) continue;
      this.#words.set(words, this.#slotOf(words) * WORDS);
    }
  }
}

const scratch = new Uint32Array(WORDS);
const scratchBytes = new Uint8Array(scratch.buffer);

/** In memory that the next call uses again. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  scratchBytes.set(bytes.subarray(0, scratchBytes.length));
  // no digest has 16 zeros at its start by accident, and one that did would not be lost
  if (scratch.every((word) => word === 0)) scratch[0] = 1;
  return scratch;
}
