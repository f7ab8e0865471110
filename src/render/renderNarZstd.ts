/** castore → `.nar.zst`, without compressing: any range of it, its length known before. */
import { concatBytes } from '../bytes.ts';
import type { EncodedChunk } from '../castore/blobService.ts';
import { type Digest, DigestHasher } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import type { ByteRange, NarLayout } from './layout.ts';
import { OutputBuffer } from './outputBuffer.ts';
import { rawFrame } from './zstdFrame.ts';
import { type EncodedBlobSource, type RawPiece, type ZstdPart, zstdParts } from './zstdParts.ts';

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
  { form, range, signal }: RenderNarZstdOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { start, end } = range ?? { start: 0, end: form.sizeBytes };
  if (!(0 <= start && start <= end && end <= form.sizeBytes)) {
    throw new RangeError(`no bytes ${start} to ${end} in ${form.sizeBytes}`);
  }
  const hasher = new FormHasher();
  const output = new OutputBuffer(end - start);
  let heldBack: Uint8Array | undefined;
  for await (const part of zstdParts(layout, source, { signal })) {
    const offset = hasher.sizeBytes;
    hasher.add(part);
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, part.encodedSizeBytes);
    if (from >= to) continue;
    const frame = await encodeFrame(part, source, { signal });
    signal?.throwIfAborted();
    for (const bytes of output.add(frame.subarray(from, to))) {
      if (heldBack !== undefined) yield heldBack;
      heldBack = bytes;
    }
  }
  const actual = hasher.finish();
  if (!actual.validator.equals(form.validator)) {
    throw new NarthexError(
      'STORE_FAILED',
      'chunks were re-encoded while a compressed NAR was rendered from them',
      { expected: form.sizeBytes, actual: actual.sizeBytes },
    );
  }
  if (heldBack !== undefined) yield heldBack;
  yield* output.flush();
}

/** The bytes of a frame. */
async function encodeFrame(
  part: ZstdPart,
  source: EncodedBlobSource,
  options: SignalOptions,
): Promise<Uint8Array> {
  if (part.type === 'stored') return readChunk(part.chunk, source, options);
  const pieces: Uint8Array[] = [];
  for (const piece of part.pieces) pieces.push(await readPiece(piece, source, options));
  return rawFrame(concatBytes(pieces));
}

async function readPiece(
  piece: RawPiece,
  source: EncodedBlobSource,
  options: SignalOptions,
): Promise<Uint8Array> {
  return piece instanceof Uint8Array ? piece : readChunk(piece, source, options);
}

async function readChunk(
  chunk: EncodedChunk,
  source: EncodedBlobSource,
  options: SignalOptions,
): Promise<Uint8Array> {
  const bytes = await source.readEncoded(chunk, options);
  if (bytes.length !== chunk.encodedSize) {
    throw new NarthexError(
      'STORE_FAILED',
      `chunk ${chunk.digest} takes ${bytes.length} bytes at rest, not ${chunk.encodedSize}`,
      { digest: String(chunk.digest), expected: chunk.encodedSize, actual: bytes.length },
    );
  }
  return bytes;
}
