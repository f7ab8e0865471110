/** A NAR, or a range of it, as the pieces that it is put together from. */
import type { FileNode } from '../castore/node.ts';
import {
  directoryHead,
  directoryTail,
  fileHead,
  fileTail,
  symlinkFraming,
} from '../nar/framing.ts';
import { checkEmptyFile } from './blobErrors.ts';
import type { ByteRange, NarLayout } from './layout.ts';
import type { Place } from './place.ts';

/** A piece of a NAR. No piece is empty; framing follows on framing only when there is much of it. */
export type NarPart =
  | { readonly type: 'framing'; readonly bytes: Uint8Array }
  | {
      /** Contents of a file, or the part of them that lies in the range. */
      readonly type: 'contents';
      readonly node: FileNode;
      readonly place: Place | undefined;
      /** First byte, in the file. */
      readonly offset: number;
      /** How many bytes. */
      readonly length: number;
    };

/** So much framing makes a piece, though no contents come between: what memory it may take. */
const FRAMING_PIECE_BYTES = 64 * 1024;

/**
 * The pieces of `range`, all by default, in order.
 * @throws DIRECTORY_MISSING one is gone since the layout was made
 * @throws NODE_INVALID a file is said to be empty and is not
 */
export async function* narParts(
  layout: NarLayout,
  range?: ByteRange,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<NarPart, void, undefined> {
  const { start, end } = layout.checkedRange(range);
  let framing: Uint8Array[] = [];
  let framingBytes = 0;

  const add = (bytes: Uint8Array, offset: number) => {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, bytes.length);
    if (from >= to) return;
    framing.push(to - from === bytes.length ? bytes : bytes.subarray(from, to));
    framingBytes += to - from;
  };
  const takeFraming = (): NarPart => {
    const bytes = framing.length === 1 && framing[0] ? framing[0] : Buffer.concat(framing);
    framing = [];
    framingBytes = 0;
    return { type: 'framing', bytes };
  };

  for await (const step of layout.steps({ start, end }, options)) {
    switch (step.type) {
      case 'directory':
        add(directoryHead(step.name), step.offset);
        break;
      case 'directoryEnd':
        add(directoryTail(step.name.length), step.offset);
        break;
      case 'symlink':
        add(symlinkFraming(step.name, step.node.target), step.offset);
        break;
      case 'file': {
        const { name, node, place, contentsOffset } = step;
        checkEmptyFile(node, place);
        add(fileHead(name, node.size, node.executable), step.offset);
        const from = Math.max(start - contentsOffset, 0);
        const to = Math.min(end - contentsOffset, node.size);
        if (from < to) {
          if (framingBytes > 0) yield takeFraming();
          yield { type: 'contents', node, place, offset: from, length: to - from };
        }
        add(fileTail(name.length, node.size), contentsOffset + node.size);
        break;
      }
    }
    if (framingBytes >= FRAMING_PIECE_BYTES) yield takeFraming();
  }
  if (framingBytes > 0) yield takeFraming();
}
