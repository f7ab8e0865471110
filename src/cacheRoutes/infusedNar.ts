/**
 * NARs by the root node that their URL names (castore/infusedNarUrl.ts). No PathInfo is needed, so nothing
 * vouches for the node either: whoever asks may have made it up, or put directories here without their
 * blobs. So a node is compared with what is here before the answer begins; else an answer of a length
 * that was announced would have to be broken off.
 */
import { EMPTY } from '../bytes.ts';
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import { Digest } from '../castore/digest.ts';
import { encodeEntry } from '../castore/directory.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { FileNode, Node } from '../castore/node.ts';
import { walkDirectories } from '../castore/walk.ts';
import { isNarthexError } from '../errors.ts';
import { renderLayout } from '../render/renderNar.ts';
import { WeightedLru } from '../weightedLru.ts';
import type { CacheFile } from './cachePath.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HandleOptions,
  NOT_REMEMBERED,
  notFoundResponse,
  textResponse,
} from './http.ts';
import type { LayoutCache } from './layoutCache.ts';
import { rangeResponse } from './rangeResponse.ts';

/** Root nodes that were found to be whole and are not gone through again; some 100 bytes each. */
const REMEMBERED_NODES = 10_000;
/** Files that are looked for at once. */
const FILES_IN_FLIGHT = 16;

/** What {@link InfusedNarFiles} are made of. */
export interface InfusedNarOptions {
  readonly blobService: Pick<BlobService, 'read' | 'readRanges' | 'stat'>;
  readonly directoryService: Pick<DirectoryService, 'get'>;
  readonly layouts: LayoutCache;
}

/** `absent`: something of it is not here; `invalid`: it says of something here what is not so. */
type Standing = 'whole' | 'absent' | 'invalid';

/** Answers for NARs whose URL names their root node. */
export class InfusedNarFiles {
  readonly #options: InfusedNarOptions;
  /** By ETag. What is whole stays so: content is never taken out. */
  readonly #whole = new WeightedLru<true>(REMEMBERED_NODES, () => 1);

  constructor(options: InfusedNarOptions) {
    this.#options = options;
  }

  /**
   * Answers a `GET` or `HEAD`: with 404 where a part of the node is not here, with 400 where the node or
   * `narsize` tells another size than is so, or the NAR would pass a limit.
   */
  async answer(
    request: CacheRequest,
    { node, narSize }: Extract<CacheFile, { type: 'infusedNar' }>,
    options: HandleOptions,
  ): Promise<CacheResponse> {
    try {
      return await this.#answer(request, node, narSize, options);
    } catch (error) {
      // the node is of the client's choice, and so is what it renders to
      if (isNarthexError(error, 'LIMIT_EXCEEDED')) {
        return textResponse(request, 400, `${error.code}: ${error.message}`, NOT_REMEMBERED);
      }
      if (isNarthexError(error, 'DIRECTORY_MISSING')) return notFoundResponse(request);
      throw error;
    }
  }

  async #answer(
    request: CacheRequest,
    node: Node,
    narSize: number | undefined,
    options: HandleOptions,
  ): Promise<CacheResponse> {
    const { blobService, layouts } = this.#options;
    const { signal, lentPieces } = options;
    // the limits come first: they bound what is gone through after them
    const layout = await layouts.layoutOf(node, options);
    const etag = `"${Digest.of(encodeEntry(EMPTY, node)).hex}"`;
    const standing = this.#whole.get(etag) ? 'whole' : await this.#standingOf(node, { signal });
    if (standing === 'absent') return notFoundResponse(request);
    if (standing === 'invalid') {
      return textResponse(request, 400, 'the node tells another size', NOT_REMEMBERED);
    }
    this.#whole.set(etag, true);
    const sizeBytes = layout.narSizeBytes;
    if (narSize !== sizeBytes) {
      return textResponse(request, 400, `narsize is ${sizeBytes}`, NOT_REMEMBERED);
    }
    return rangeResponse(request, {
      sizeBytes,
      etag,
      contentType: 'application/x-nix-nar',
      render: (range) => renderLayout(layout, blobService, { range, signal, lentPieces }),
    });
  }

  async #standingOf(node: Node, options: ServiceOptions): Promise<Standing> {
    if (node.type === 'symlink') return 'whole';
    if (node.type === 'file') return await this.#standingOfFiles([node], options);
    const { directoryService } = this.#options;
    const root = await directoryService.get(node.digest, options);
    if (root === undefined) return 'absent';
    if (root.size !== node.size) return 'invalid';
    for await (const { entries } of walkDirectories(directoryService, node.digest, options)) {
      const files = entries.map((entry) => entry.node).filter((child) => child.type === 'file');
      const standing = await this.#standingOfFiles(files, options);
      if (standing !== 'whole') return standing;
    }
    return 'whole';
  }

  async #standingOfFiles(files: readonly FileNode[], options: ServiceOptions): Promise<Standing> {
    const { blobService } = this.#options;
    for (let at = 0; at < files.length; at += FILES_IN_FLIGHT) {
      const some = files.slice(at, at + FILES_IN_FLIGHT);
      const stats = await Promise.all(some.map(({ digest }) => blobService.stat(digest, options)));
      if (stats.includes(undefined)) return 'absent';
      if (some.some(({ size }, i) => stats[i]?.size !== size)) return 'invalid';
    }
    return 'whole';
  }
}
