/** The compression of many records at once: how they are put together, and what a worker makes of them. */
import { releaseBytes } from '../bytes.ts';
import { type EncodedData, encodeData } from '../store/recordEncoding.ts';
import type { OwnedBytes } from './messages.ts';

/** Byte strings one after the other. */
export interface Joined {
  readonly bytes: OwnedBytes;
  /** One for each; of records at rest, the length of one that is kept as it is is negative. */
  readonly lengths: readonly number[];
}

/** Memory that is not cleared: for what is written before it is read. */
export function uncleared(length: number): OwnedBytes {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** Records are gathered in blocks of this length; what is longer has a block of its own. */
export const BLOCK_BYTES = 512 * 1024;

/** Where records at rest are put together; it lasts, since new memory costs more than copying out of it. */
const scratch = uncleared(BLOCK_BYTES);

/** Compresses records that were joined; on a worker. Their memory is given back. */
export function encodeJoined({ bytes, lengths }: Joined, level: number): Joined {
  // nothing at rest is longer than it was
  const output = bytes.length > scratch.length ? uncleared(bytes.length) : scratch;
  let at = 0;
  let end = 0;
  const encodedLengths = lengths.map((length) => {
    at += length;
    return encodeData(bytes.subarray(at - length, at), level, (data) => {
      output.set(data.bytes, end);
      end += data.bytes.length;
      return signedLength(data);
    });
  });
  // also of those that are kept as they are: nobody looks at them after this
  releaseBytes(bytes);
  return { bytes: new Uint8Array(output.subarray(0, end)), lengths: encodedLengths };
}

function signedLength({ encoding, bytes }: EncodedData): number {
  return encoding === 'raw' ? -bytes.length : bytes.length;
}

/** What became of each record. */
export function encodedRecords({ bytes, lengths }: Joined): EncodedData[] {
  let at = 0;
  return lengths.map((length) => {
    const start = at;
    at += Math.abs(length);
    // a frame is never empty; an empty directory is
    return { encoding: length > 0 ? 'zstd' : 'raw', bytes: bytes.subarray(start, at) };
  });
}
