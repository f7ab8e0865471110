/** From the NarHash in a URL to the content. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import type { Hash } from '../hash.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';

/** Finds content by the SHA-256 of its NAR. */
export interface NarHashIndex {
  nodeByNarHash(
    narHash: Hash,
    options?: ServiceOptions,
  ): Promise<Node | undefined> | Node | undefined;
}

/**
 * The root node of a NAR.
 * @param index asked first, if there is one
 * @param digest of a store path that has this NAR in some variant, if one is known
 */
export async function nodeOfNar(
  narHash: Hash,
  index: NarHashIndex | undefined,
  digest: Uint8Array | undefined,
  pathInfoService: PathInfoService,
  options: ServiceOptions,
): Promise<Node | undefined> {
  const indexed = await index?.nodeByNarHash(narHash, options);
  if (indexed !== undefined || digest === undefined) return indexed;
  for await (const variant of pathInfoService.listVariants(digest, options)) {
    if (variant.claim.narHash.equals(narHash)) return variant.node;
  }
  return undefined;
}
