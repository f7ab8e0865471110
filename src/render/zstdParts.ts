/**
 * The `.nar.zst` form as the frames that it is joined from: chunks that lie at rest as zstd frames
 * go in as they are, all else in frames of raw blocks. So nothing is compressed when it is served,
 * and every length is known before.
 */
import type { BlobService, EncodedChunk } from '../castore/blobService.ts';
import type { EncodedBlobs } from '../castore/encodedChunks.ts';
import { missingBlob, wrongBlobSize } from './blobErrors.ts';
import type { NarLayout } from './layout.ts';
import { type NarPart, narParts } from './parts.ts';
import { rawFrameBytes } from './zstdFrame.ts';

/** What the form needs of a blob service: capabilities that are optional there. */
export type EncodedBlobSource = EncodedBlobs;

/** Bytes that go into a raw frame: framing, or a chunk that lies raw at rest. */
export type RawPiece = Uint8Array | EncodedChunk;

/** A frame of the form. `encodedSizeBytes` is its length. */
export type ZstdPart =
  | {
      readonly type: 'raw';
      readonly pieces: readonly RawPiece[];
      /** Length of the pieces together. */
      readonly sizeBytes: number;
      readonly encodedSizeBytes: number;
    }
  | { readonly type: 'stored'; readonly chunk: EncodedChunk; readonly encodedSizeBytes: number };

/** Small pieces share a frame up to this content: a frame costs a decoder more than its bytes. */
const SHARED_FRAME_BYTES = 128 * 1024;

/** The blob service, if it has what the form needs. */
export function encodedBlobSource(service: BlobService): EncodedBlobSource | undefined {
  const { statEncoded, readEncoded, readEncodedAll } = service;
  if (statEncoded === undefined || readEncoded === undefined) return undefined;
  return {
    statEncoded: statEncoded.bind(service),
    readEncoded: readEncoded.bind(service),
    ...(readEncodedAll && { readEncodedAll: readEncodedAll.bind(service) }),
  };
}

/**
 * The frames of the whole NAR, in order. What a chunk looks like at rest may change between two
 * walks, and so the frames.
 * @throws DIRECTORY_MISSING, BLOB_MISSING with `path`
 * @throws NODE_INVALID with `path`: a blob has another size than its node says
 */
export async function* zstdParts(
  layout: NarLayout,
  source: EncodedBlobSource,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<ZstdPart, void, undefined> {
  let pieces: RawPiece[] = [];
  let sizeBytes = 0;
  const takeFrame = (): ZstdPart => {
    const frame = { pieces, sizeBytes, encodedSizeBytes: rawFrameBytes(sizeBytes) };
    pieces = [];
    sizeBytes = 0;
    return { type: 'raw', ...frame };
  };
  for await (const part of narParts(layout, undefined, options)) {
    const next =
      part.type === 'framing' ? [part.bytes] : await encodedChunks(part, source, options);
    for (const piece of next) {
      const stored = !(piece instanceof Uint8Array) && piece.encoding === 'zstd';
      const length = piece instanceof Uint8Array ? piece.length : piece.size;
      if (sizeBytes > 0 && (stored || sizeBytes + length > SHARED_FRAME_BYTES)) yield takeFrame();
      if (stored) {
        yield { type: 'stored', chunk: piece, encodedSizeBytes: piece.encodedSize };
      } else {
        pieces.push(piece);
        sizeBytes += length;
      }
    }
  }
  if (sizeBytes > 0) yield takeFrame();
}

async function encodedChunks(
  { node, place }: Extract<NarPart, { type: 'contents' }>,
  source: EncodedBlobSource,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<readonly EncodedChunk[]> {
  const chunks = await source.statEncoded(node.digest, options);
  if (chunks === undefined) throw missingBlob(node, place);
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.size, 0);
  if (sizeBytes !== node.size) throw wrongBlobSize(node, place, sizeBytes);
  return chunks;
}
