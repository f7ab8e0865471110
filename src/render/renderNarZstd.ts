/** castore → `.nar.zst`, without compressing: any range of it, its length known before. */
import { concatBytes, copyBytes, EMPTY } from '../bytes.ts';
import type { WantedChunk } from '../castore/blobService.ts';
import { type Digest, DigestHasher } from '../castore/digest.ts';
import { readEncodedAll } from '../castore/encodedChunks.ts';
import { NarthexError } from '../errors.ts';
import type { ByteRange, NarLayout } from './layout.ts';
import { OutputBuffer } from './outputBuffer.ts';
import { rawFrame } from './zstdFrame.ts';
import { type EncodedBlobSource, type ZstdPart, zstdParts } from './zstdParts.ts';

/** What is known about a `.nar.zst` before it is rendered. */
export interface ZstdForm {
  /** Length in bytes. */
  readonly sizeBytes: number;
  /**
   * Stands for the exact sequence of frames: it is another one when a chunk lies differently at rest
   * (raw before, compressed since). A validator for HTTP, no address of the content.
   */
  readonly validator: Digest;
}

interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Takes in the frames one by one. */
class FormHasher {
  readonly #hasher = new DigestHasher();
  readonly #numbers = new DataView(new ArrayBuffer(16));
  sizeBytes = 0;

  add(part: ZstdPart): void {
    this.sizeBytes += part.encodedSizeBytes;
    this.#numbers.setFloat64(0, part.type === 'raw' ? part.pieces.length : -1);
    this.#numbers.setFloat64(8, part.encodedSizeBytes);
    this.#hasher.update(new Uint8Array(this.#numbers.buffer));
    // what the framing is follows from the node; chunks do not, since chunking may change
    const pieces = part.type === 'raw' ? part.pieces : [part.chunk];
    for (const piece of pieces) {
      if (!(piece instanceof Uint8Array)) this.#hasher.update(piece.digest.bytes);
    }
  }

  finish(): ZstdForm {
    return { sizeBytes: this.sizeBytes, validator: this.#hasher.finish() };
  }
}

/**
 * Computes length and validator of the `.nar.zst` of a NAR. Reads no contents.
 * @throws DIRECTORY_MISSING, BLOB_MISSING, NODE_INVALID with the `path` inside the NAR
 */
export async function zstdForm(
  layout: NarLayout,
  source: EncodedBlobSource,
  options: SignalOptions = {},
): Promise<ZstdForm> {
  const hasher = new FormHasher();
  for await (const part of zstdParts(layout, source, options)) hasher.add(part);
  return hasher.finish();
}

/** Options of {@link renderNarZstd}. */
export interface RenderNarZstdOptions extends SignalOptions {
  /** What was announced: rendering fails rather than giving other bytes. */
  readonly form: ZstdForm;
  /** All of the form by default. */
  readonly range?: ByteRange | undefined;
  /** Pieces are lent: their memory is used again when the next one is asked for. Default `false`. */
  readonly lentPieces?: boolean | undefined;
}

/**
 * Renders the `.nar.zst` of a NAR. Its last bytes are given out only after all frames have turned
 * out to be those announced, so that what was re-encoded meanwhile shows as a failure.
 * @throws DIRECTORY_MISSING, BLOB_MISSING, NODE_INVALID with the `path` inside the NAR
 * @throws STORE_FAILED chunks were re-encoded since `form` was computed; a new attempt may succeed
 * @throws RangeError the range is not within the form: a mistake of the caller
 */
export async function* renderNarZstd(
  layout: NarLayout,
  source: EncodedBlobSource,
  { form, range, signal, lentPieces = false }: RenderNarZstdOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { start, end } = range ?? { start: 0, end: form.sizeBytes };
  if (!(0 <= start && start <= end && end <= form.sizeBytes)) {
    throw new RangeError(`no bytes ${start} to ${end} in ${form.sizeBytes}`);
  }
  const hasher = new FormHasher();
  const output = new OutputBuffer(end - start, lentPieces);
  let last: Uint8Array | undefined;
  let leftBytes = end - start;
  let frame: Uint8Array[] = [];
  const wanted = wantedPieces(zstdParts(layout, source, { signal }), { start, end }, hasher);
  for await (const pieces of readEncodedAll(source, wanted, { signal, lent: lentPieces })) {
    signal?.throwIfAborted();
    for (const { wanted, bytes } of pieces) {
      frame.push(bytesOf(wanted, bytes));
      const { part, from, to } = wanted;
      if (part === undefined) continue;
      const encoded = part.type === 'raw' ? rawFrame(concatBytes(frame)) : concatBytes(frame);
      frame = [];
      for (const due of output.add(encoded.subarray(from, to))) {
        leftBytes -= due.length;
        if (leftBytes > 0) yield due;
        else last = copyBytes(due);
      }
    }
    // what waits for the rest of its frame is not lent for so long
    if (lentPieces) frame = frame.map(copyBytes);
  }
  const actual = hasher.finish();
  if (!actual.validator.equals(form.validator)) {
    throw new NarthexError(
      'STORE_FAILED',
      'chunks were re-encoded while a compressed NAR was rendered from them',
      { expected: form.sizeBytes, actual: actual.sizeBytes },
    );
  }
  if (last !== undefined) yield last;
  yield* output.flush();
}

/** A piece of a frame: framing, or a chunk. */
interface WantedPiece extends WantedChunk {
  readonly framing: Uint8Array | undefined;
  /** With the last piece of a frame: the frame. */
  readonly part: ZstdPart | undefined;
  /** Which bytes of the frame are wanted. */
  readonly from: number;
  readonly to: number;
}

/** The pieces of the frames in a range; all frames are told to the hasher. */
async function* wantedPieces(
  parts: AsyncIterable<ZstdPart>,
  { start, end }: ByteRange,
  hasher: FormHasher,
): AsyncGenerator<WantedPiece, void, undefined> {
  for await (const part of parts) {
    const offset = hasher.sizeBytes;
    hasher.add(part);
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, part.encodedSizeBytes);
    if (from >= to) continue;
    const pieces = part.type === 'raw' ? part.pieces : [part.chunk];
    for (const [index, piece] of pieces.entries()) {
      const isFraming = piece instanceof Uint8Array;
      yield {
        chunk: isFraming ? undefined : piece,
        framing: isFraming ? piece : undefined,
        heldBytes: isFraming ? piece.length : 0,
        part: index === pieces.length - 1 ? part : undefined,
        from,
        to,
      };
    }
  }
}

function bytesOf({ chunk, framing }: WantedPiece, read: Uint8Array | undefined): Uint8Array {
  const bytes = framing ?? read ?? EMPTY;
  if (chunk !== undefined && bytes.length !== chunk.encodedSize) {
    throw new NarthexError(
      'STORE_FAILED',
      `chunk ${chunk.digest} takes ${bytes.length} bytes at rest, not ${chunk.encodedSize}`,
      { digest: String(chunk.digest), expected: chunk.encodedSize, actual: bytes.length },
    );
  }
  return bytes;
}
