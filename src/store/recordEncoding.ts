/** How records are compressed at rest. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { copyBytes, releaseBytes } from '../bytes.ts';
import type { Encoding } from './packFormat.ts';

/** The zstd level at which chunks lie unless told otherwise: 3% smaller than the fastest, for 5% more time. */
export const DEFAULT_COMPRESSION_LEVEL = 2;
/** The highest level that is of use: those above take much memory, and gain on long content only. */
export const MAX_COMPRESSION_LEVEL = 19;
/** In the place of a level: as it is. */
export const NO_COMPRESSION = 0;

/** Shorter data is not tried: a frame's own bytes and a call's cost outweigh what is saved. */
const COMPRESS_FROM_BYTES = 64;
/** Data is kept as it is unless compressing saves one part in so many. */
const LEAST_SAVING = 16;
/** Room beside the content: zstd's bound is 1/256 and a few bytes over it. */
const SLACK_BYTES = 128;

/** Data as it will lie at rest. */
export interface EncodedData {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

/**
 * Encodes data for rest. Asynchronous, so that the work can move to other threads; but whatever of `raw`
 * is needed is copied before it returns, so that its memory can be reused at once.
 */
export type RecordEncoder = (raw: Uint8Array) => Promise<EncodedData>;
/** Gives what encodes at a level, from {@link NO_COMPRESSION} to {@link MAX_COMPRESSION_LEVEL}. */
export type EncoderOfLevel = (level: number) => RecordEncoder;

/** Data as it is. */
export function rawData(raw: Uint8Array): EncodedData {
  return { encoding: 'raw', bytes: raw };
}

/**
 * Encodes as one zstd frame that states its content size, where that saves something.
 * @param level {@link NO_COMPRESSION} to {@link MAX_COMPRESSION_LEVEL}
 * @param take is given what the data will be, in memory that is good during the call only
 * @returns what `take` does
 */
export function encodeData<T>(raw: Uint8Array, level: number, take: (data: EncodedData) => T): T {
  if (level === NO_COMPRESSION || raw.length < COMPRESS_FROM_BYTES) return take(rawData(raw));
  const bytes = zstdCompressSync(raw, {
    // output that fits into one buffer is not copied together, and a buffer of this length has memory of its own
    chunkSize: Math.max(raw.length + Math.ceil(raw.length / 256) + SLACK_BYTES, Buffer.poolSize),
    pledgedSrcSize: raw.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  try {
    const saved = raw.length - bytes.length;
    return take(saved * LEAST_SAVING < raw.length ? rawData(raw) : { encoding: 'zstd', bytes });
  } finally {
    releaseBytes(bytes);
  }
}

/** Encodes on the calling thread. */
export function zstdEncoder(level: number = DEFAULT_COMPRESSION_LEVEL): RecordEncoder {
  return async (raw) =>
    encodeData(raw, level, ({ encoding, bytes }) => ({ encoding, bytes: copyBytes(bytes) }));
}

/**
 * Decodes data at rest.
 * @param size its length when decoded; more is refused before it is allocated
 * @throws whatever zstd says about damaged data
 */
export function decodeData(encoding: Encoding, bytes: Uint8Array, size: number): Uint8Array {
  if (encoding === 'raw') return bytes;
  return zstdDecompressSync(bytes, { chunkSize: size + SLACK_BYTES, maxOutputLength: size });
}
