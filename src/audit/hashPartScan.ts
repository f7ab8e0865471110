/**
 * Finds what may be hash parts of store paths in bytes, wherever they stand: every 32 characters of
 * nixbase32 in a row, those that overlap too. That is how Nix finds references (Nix:
 * `src/libstore/references.cc`, `RefScanSink`), so what is not found here Nix has not found either.
 *
 * Windows are looked at from their end: a byte that is no digit lets all windows be skipped that
 * hold it, so that most bytes of most files are never looked at.
 */
import { bytesKey, concatBytes, EMPTY } from '../bytes.ts';
import { encodeNixbase32 } from '../nixbase32.ts';
import { HASH_PART_LENGTH } from '../storePath.ts';

const DIGITS = 32;
/** 1 for the codes of nixbase32 digits. */
const IS_DIGIT = new Uint8Array(256);
// the last character of a byte's two is the digit of its low five bits
for (let digit = 0; digit < DIGITS; digit++) {
  IS_DIGIT[encodeNixbase32(Uint8Array.of(digit)).charCodeAt(1)] = 1;
}

/** How much of the bytes before may begin a hash part that ends in the next ones. */
const SEAM_BYTES = HASH_PART_LENGTH - 1;

/** Scans bytes that come in pieces. */
export class HashPartScanner {
  readonly #onCandidate: (hashPart: string) => void;
  /** The last {@link SEAM_BYTES} bytes. */
  #tail: Uint8Array = EMPTY;

  /** @param onCandidate is given what it finds, also what it found before */
  constructor(onCandidate: (hashPart: string) => void) {
    this.#onCandidate = onCandidate;
  }

  /** Takes the next bytes, which may be reused afterwards. */
  update(bytes: Uint8Array): void {
    // neither half is long enough for a window of its own: what is found here is cut by the seam
    this.#scan(concatBytes([this.#tail, bytes.subarray(0, SEAM_BYTES)]));
    this.#scan(bytes);
    const last = bytes.subarray(Math.max(0, bytes.length - SEAM_BYTES));
    const kept = this.#tail.subarray(Math.max(0, this.#tail.length + last.length - SEAM_BYTES));
    this.#tail = Buffer.concat([kept, last]);
  }

  #scan(bytes: Uint8Array): void {
    let start = 0;
    // from `start` up to here all bytes are digits
    let known = 0;
    for (let end = HASH_PART_LENGTH; end <= bytes.length; end = start + HASH_PART_LENGTH) {
      let at = end - 1;
      // within bounds: the zero, which is no digit, is for the type checker
      while (at >= known && IS_DIGIT[bytes[at] ?? 0] === 1) at--;
      if (at >= known) {
        start = at + 1;
      } else {
        this.#onCandidate(bytesKey(bytes.subarray(start, end)));
        start += 1;
      }
      known = end;
    }
  }
}
