/**
 * Decoding many zstd frames in one go. Each call of zlib makes a context and a stream, which takes longer than to
 * decode a chunk of common length. Frames that lie in one block are one stream to a decoder if what lies between
 * them is made a frame that it skips (`compression/skippableFrame.ts`).
 *
 * Source: RFC 8878, sections 3.1 (frames follow each other) and 3.1.2 (skippable frames).
 */
import { createZstdDecompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SKIPPABLE_HEADER_BYTES, writeSkippableHeader } from '../compression/skippableFrame.ts';
import { decodeData } from './recordEncoding.ts';

/** Frames in one block have at least so many bytes between them. */
export const LEAST_GAP_BYTES = SKIPPABLE_HEADER_BYTES;
/** Room beside the content, so that a decoder sees its end without another buffer. */
const SLACK_BYTES = 128;
/** Up to here decoding takes less than to wake another thread. */
const SYNCHRONOUS_BYTES = 64 * 1024;

/** Where a frame lies in a block. */
export interface PlacedFrame {
  readonly at: number;
  readonly encodedSize: number;
  /** Its length when decoded. */
  readonly size: number;
}

/** Node 24 stops after the first frame, 26 goes on. */
const DECODES_JOINED = decodesJoined();

function decodesJoined(): boolean {
  const frame = zstdCompressSync(Uint8Array.of(1));
  try {
    return zstdDecompressSync(Buffer.concat([frame, frame])).length === 2;
  } catch {
    // what follows the first frame is an error to it
    return false;
  }
}

/**
 * Decodes frames that lie in `block` in this order; much is decoded on another thread.
 * @param block what lies between the frames is overwritten: at least {@link LEAST_GAP_BYTES} for each
 * @returns their contents one after the other, in memory of their own, or `undefined` where a frame is damaged or
 *   they are not as long together as they should be
 */
export async function decodeFrames(
  block: Buffer,
  frames: readonly PlacedFrame[],
): Promise<Buffer | undefined> {
  if (frames.length === 0) return Buffer.alloc(0);
  const size = frames.reduce((sum, frame) => sum + frame.size, 0);
  try {
    if (!DECODES_JOINED) return decodeEach(block, frames, size);
    const joined = join(block, frames);
    const decoded =
      size <= SYNCHRONOUS_BYTES
        ? zstdDecompressSync(joined, { chunkSize: size + SLACK_BYTES, maxOutputLength: size })
        : await decodeElsewhere(joined, size);
    return decoded?.length === size ? decoded : undefined;
  } catch {
    // which one it is, and what is wrong with it, is seen when they are read one by one
    return undefined;
  }
}

/**
 * What zlib's `zstdDecompress` does, without asking the other thread once more for what comes after the end: whether
 * all is there is told by its length.
 * @returns what was decoded, or the beginning of what is longer than `size`; nobody looks at `joined` any more
 */
async function decodeElsewhere(joined: Buffer, size: number): Promise<Buffer | undefined> {
  const decoder = createZstdDecompress({ chunkSize: size + SLACK_BYTES });
  let decoded: Buffer | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      decoder.on('data', (piece: Buffer) => {
        decoded = piece;
        // at once: with the next piece of what is too long under way, the other thread would still look at `joined`,
        // whose memory is given back as soon as we return
        if (piece.length > size) decoder.destroy();
      });
      decoder.once('error', reject);
      decoder.write(joined, () => resolve());
    });
  } finally {
    decoder.destroy();
  }
  return decoded;
}

/** From the first frame to the end of the last. */
function join(block: Buffer, frames: readonly PlacedFrame[]): Buffer {
  const start = frames[0]?.at ?? 0;
  let end = start;
  for (const { at, encodedSize } of frames) {
    if (at > end) writeSkippableHeader(block, end, at);
    end = at + encodedSize;
  }
  return block.subarray(start, end);
}

function decodeEach(
  block: Buffer,
  frames: readonly PlacedFrame[],
  size: number,
): Buffer | undefined {
  const decoded = Buffer.allocUnsafeSlow(size);
  let end = 0;
  for (const { at, encodedSize, size: frameSize } of frames) {
    const content = decodeData('zstd', block.subarray(at, at + encodedSize), frameSize);
    if (content.length !== frameSize) return undefined;
    decoded.set(content, end);
    end += frameSize;
  }
  return decoded;
}
