/** Size and hash of a node's NAR. */
import type { Node } from '../castore/node.ts';
import { createStreamingHash, Hash } from '../hash.ts';
import { type RenderNarOptions, renderNar } from './renderNar.ts';

/** What a NAR is known by. */
export interface NarMeasure {
  /** In bytes. */
  readonly narSize: number;
  /** SHA-256. */
  readonly narHash: Hash;
}

/**
 * Renders the NAR of `node` and throws it away.
 * @throws LIMIT_EXCEEDED before anything is rendered
 * @throws DIRECTORY_MISSING | BLOB_MISSING | NODE_INVALID
 */
export async function measureNar(node: Node, options: RenderNarOptions): Promise<NarMeasure> {
  const hasher = createStreamingHash('sha256');
  let narSize = 0;
  for await (const bytes of renderNar(node, { ...options, lentPieces: true })) {
    narSize += bytes.length;
    hasher.update(bytes);
  }
  return { narSize, narHash: Hash.of('sha256', hasher.digest()) };
}
