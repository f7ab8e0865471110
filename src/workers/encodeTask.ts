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

/** Compresses records that were joined; on a worker. Their memory is given back. */
export function encodeJoined({ bytes, lengths }: Joined, level: number): Joined {
  let at = 0;
  const encoded = lengths.map((length) => {
    at += length;
    return encodeData(bytes.subarray(at - length, at), level);
  });
  const encodedLengths = encoded.map(signedLength);
  const output = uncleared(encodedLengths.reduce((sum, length) => sum + Math.abs(length), 0));
  at = 0;
  for (const data of encoded) {
    output.set(data.bytes, at);
    at += data.bytes.length;
  }
  // also of those that are kept as they are: nobody looks at them after this
  releaseBytes(bytes);
  return { bytes: output, lengths: encodedLengths };
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
