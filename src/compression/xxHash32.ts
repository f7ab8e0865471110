/** xxHash, the 32-bit variant with seed 0: the checksum of lz4 frames. After its specification. */

const PRIME1 = 0x9e3779b1;
const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;
const STRIPE_BYTES = 16;
const LANES = 4;

export class XxHash32 {
  readonly #lanes = Int32Array.of(PRIME1 + PRIME2, PRIME2, 0, -PRIME1);
  /** The start of a stripe whose end has not come yet. */
  readonly #rest = new Uint8Array(STRIPE_BYTES);
  #restBytes = 0;
  #total = 0;

  update(bytes: Uint8Array): this {
    this.#total += bytes.length;
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(STRIPE_BYTES - this.#restBytes, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < STRIPE_BYTES) return this;
      this.#stripes(view(this.#rest), 0, STRIPE_BYTES);
    }
    const end = bytes.length - ((bytes.length - at) % STRIPE_BYTES);
    this.#stripes(view(bytes), at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restBytes = bytes.length - end;
    return this;
  }

  /** The hash of all that came, as an unsigned number. */
  digest(): number {
    const [l0 = 0, l1 = 0, l2 = 0, l3 = 0] = this.#lanes;
    let hash =
      this.#total >= STRIPE_BYTES
        ? rotate(l0, 1) + rotate(l1, 7) + rotate(l2, 12) + rotate(l3, 18)
        : PRIME5;
    hash = (hash + this.#total) | 0;
    const rest = view(this.#rest);
    let at = 0;
    for (; at + 4 <= this.#restBytes; at += 4) {
      hash = (hash + Math.imul(rest.getUint32(at, true), PRIME3)) | 0;
      hash = Math.imul(rotate(hash, 17), PRIME4);
    }
    for (; at < this.#restBytes; at++) {
      hash = (hash + Math.imul(rest.getUint8(at), PRIME5)) | 0;
      hash = Math.imul(rotate(hash, 11), PRIME1);
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME2);
    hash = Math.imul(hash ^ (hash >>> 13), PRIME3);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #stripes(bytes: DataView, start: number, end: number): void {
    const lanes = this.#lanes;
    for (let at = start; at < end; at += STRIPE_BYTES) {
      for (let lane = 0; lane < LANES; lane++) {
        const word = bytes.getUint32(at + 4 * lane, true);
        const mixed = (lanes[lane] ?? 0) + Math.imul(word, PRIME2);
        lanes[lane] = Math.imul(rotate(mixed, 13), PRIME1);
      }
    }
  }
}

/** The hash of `bytes`. */
export function xxHash32(bytes: Uint8Array): number {
  return new XxHash32().update(bytes).digest();
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
