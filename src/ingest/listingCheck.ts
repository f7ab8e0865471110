/** Whether a listing that somebody sends is that of a kept path: listings are not kept, they are made. */
import { bytesKey, equalBytes } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { parseListing, renderListing as renderGiven } from '../nar/listing.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { NarLayout } from '../render/layout.ts';
import { renderListing } from '../render/renderListing.ts';
import { formatHashPart } from '../storePath.ts';

/** What {@link checkListing} looks at. */
export interface ListingCheckSource {
  readonly pathInfoService: Pick<PathInfoService, 'listVariants'>;
  readonly directoryService: DirectoryService;
  readonly limits: Limits;
}

/**
 * Passes a listing that is well-formed and, where its path is here, that of one of its variants: Nix sends
 * listings before the paths that they are about.
 * @param digest of the store path
 * @throws LISTING_INVALID | LISTING_MISMATCH | LIMIT_EXCEEDED
 */
export async function checkListing(
  digest: Uint8Array,
  bytes: Uint8Array,
  source: ListingCheckSource,
  options: ServiceOptions = {},
): Promise<void> {
  const { pathInfoService, directoryService, limits } = source;
  // members in any order, and white space, say the same
  const given = renderGiven(parseListing(bytes, { limits }));
  const compared = new Set<string>();
  for await (const { node, claim } of pathInfoService.listVariants(digest, options)) {
    const key = bytesKey(claim.narHash.digest);
    if (compared.size === compared.add(key).size) continue;
    if (await isListingOf(given, node)) return;
  }
  if (compared.size === 0) return;
  const url = `${formatHashPart(digest)}.ls`;
  throw new NarthexError('LISTING_MISMATCH', `${url} is not what lies at its store path`, { url });

  async function isListingOf(listing: Uint8Array, node: Node): Promise<boolean> {
    const layout = await NarLayout.of(node, directoryService, { ...options, limits });
    let at = 0;
    for await (const piece of renderListing(layout, options)) {
      if (!equalBytes(piece, listing.subarray(at, at + piece.length))) return false;
      at += piece.length;
    }
    return at === listing.length;
  }
}
