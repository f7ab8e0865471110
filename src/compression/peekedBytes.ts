/** Looking at the first bytes of a stream, which tell what the rest is. */
import { concatBytes } from '../bytes.ts';
import { MAGIC_BYTES } from './detect.ts';

/** A stream whose beginning is known. */
export interface PeekedBytes {
  /** The first bytes, at least `MAGIC_BYTES` of them where there are so many. */
  readonly first: Uint8Array;
  /** All bytes, to be read once. Leaving it early leaves the source. */
  readonly all: AsyncIterable<Uint8Array>;
  /** Leaves the source without reading `all`. */
  leave(): Promise<void>;
}

/** Reads just as far as `detectCompression` needs. */
export async function peekBytes(bytes: AsyncIterable<Uint8Array>): Promise<PeekedBytes> {
  const iterator = bytes[Symbol.asyncIterator]();
  const leave = async () => {
    await iterator.return?.();
  };
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    first.push(next.value);
    length += next.value.length;
  }
  const all = (async function* () {
    try {
      yield* first;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await leave();
    }
  })();
  return { first: concatBytes(first), all, leave };
}
