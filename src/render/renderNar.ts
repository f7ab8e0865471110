/** castore → NAR: the way out. Any range of it, reading nothing of what lies outside. */
import { EMPTY } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import type { DirectorySource } from './fetchDirectory.ts';
import { type ByteRange, NarLayout } from './layout.ts';
import type { MeasureOptions } from './measure.ts';
import { OutputBuffer } from './outputBuffer.ts';
import { type NarPart, narParts } from './parts.ts';
import { type BlobSource, type ContentsAfter, readAllContents } from './readContents.ts';

/** Options of {@link renderLayout}. */
export interface RenderOptions {
  /** All of the NAR by default. */
  readonly range?: ByteRange | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Pieces are lent: their memory is used again when the next one is asked for. Default `false`. */
  readonly lentPieces?: boolean | undefined;
}

/** Options of {@link renderNar}. */
export interface RenderNarOptions extends RenderOptions, MeasureOptions {
  readonly blobService: BlobSource;
  readonly directoryService: DirectorySource;
}

/**
 * Renders the NAR of `node`.
 * @throws LIMIT_EXCEEDED before anything is rendered
 * @throws DIRECTORY_MISSING, BLOB_MISSING, NODE_INVALID with the `path` inside the NAR
 */
export async function* renderNar(
  node: Node,
  options: RenderNarOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const layout = await NarLayout.of(node, options.directoryService, options);
  yield* renderLayout(layout, options.blobService, options);
}

/**
 * Renders a NAR whose layout is known. Unless they are lent, its pieces are views of memory that is not used again.
 * @throws DIRECTORY_MISSING, BLOB_MISSING, NODE_INVALID with the `path` inside the NAR
 */
export async function* renderLayout(
  layout: NarLayout,
  blobService: BlobSource,
  { range, signal, lentPieces = false }: RenderOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { start, end } = layout.checkedRange(range);
  const output = new OutputBuffer(end - start, lentPieces);
  const contents = contentsAfterFraming(narParts(layout, { start, end }, { signal }));
  for await (const pieces of readAllContents(blobService, contents, { signal, lentPieces })) {
    for (const { before, bytes } of pieces) {
      if (before !== undefined) for (const due of output.add(before)) yield due;
      for (const due of output.add(bytes)) yield due;
    }
  }
  for (const due of output.flush()) yield due;
}

/** Contents with the framing that comes before them. */
async function* contentsAfterFraming(
  parts: AsyncIterable<NarPart>,
): AsyncGenerator<ContentsAfter<Uint8Array>, void, undefined> {
  let before: Uint8Array = EMPTY;
  for await (const part of parts) {
    if (part.type === 'contents') {
      yield { before, heldBytes: before.length, contents: part };
      before = EMPTY;
    } else {
      if (before.length > 0) yield { before, heldBytes: before.length, contents: undefined };
      before = part.bytes;
    }
  }
  if (before.length > 0) yield { before, heldBytes: before.length, contents: undefined };
}
