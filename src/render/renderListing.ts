/**
 * castore → `.ls`: byte for byte what Nix writes for the same path (the format: `nar/listing.ts`),
 * written as the tree is walked, so that a path of millions of files takes no memory.
 */
import { quoteBytes } from '../nar/listingTree.ts';
import type { NarLayout } from './layout.ts';

/** Length of the pieces that are given out, about. */
const PIECE_LENGTH = 64 * 1024;

/**
 * Renders the listing of a NAR, with the `narOffset` of every file.
 * @throws DIRECTORY_MISSING one is gone since the layout was made
 */
export async function* renderListing(
  layout: NarLayout,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let text = '{"version":1,"root":';
  // whether something stands before the next entry of the directory that the walk is in
  let separate = false;
  for await (const step of layout.steps(undefined, options)) {
    if (step.type === 'directoryEnd') {
      text += '}}';
      separate = true;
    } else {
      if (separate) text += ',';
      if (step.place !== undefined) text += `${quoteBytes(step.name)}:`;
      separate = step.type !== 'directory';
      if (step.type === 'directory') {
        text += '{"type":"directory","entries":{';
      } else if (step.type === 'symlink') {
        text += `{"type":"symlink","target":${quoteBytes(step.node.target)}}`;
      } else {
        const executable = step.node.executable ? ',"executable":true' : '';
        text += `{"type":"regular","size":${step.node.size}${executable},"narOffset":${step.contentsOffset}}`;
      }
    }
    if (text.length >= PIECE_LENGTH) {
      yield Buffer.from(text, 'latin1');
      text = '';
    }
  }
  yield Buffer.from(`${text}}`, 'latin1');
}
