/** Binary caches taken into memory: what routes serve in tests. No trust is checked. */
import type { BlobService } from '../../src/castore/blobService.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import type { Node } from '../../src/castore/node.ts';
import type { Hash } from '../../src/hash.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import type { VariantService } from '../../src/pathinfo/variantService.ts';
import { putNar } from '../render/castoreTree.ts';
import { narinfosOf, narOf } from '../support/cacheFiles.ts';

/** The services that hold a cache. */
export interface MemoryCache {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly pathInfoService: VariantService;
  readonly narHashIndex: { nodeByNarHash(narHash: Hash): Node | undefined };
}

/** Takes in all paths of a cache, whose references are all in it. */
export function memoryCache(
  files: ReadonlyMap<string, Uint8Array>,
  blobService?: BlobService,
): Promise<MemoryCache> {
  return memoryWorlds([files], blobService);
}

/** Takes in several caches, one after the other; each path refers to variants of its own cache. */
export async function memoryWorlds(
  worlds: readonly ReadonlyMap<string, Uint8Array>[],
  blobService: BlobService = new MemoryBlobService(),
): Promise<MemoryCache> {
  const nodes = new Map<string, Node>();
  const cache = {
    blobService,
    directoryService: new MemoryDirectoryService(),
    pathInfoService: new MemoryPathInfoService(),
    narHashIndex: { nodeByNarHash: (narHash: Hash) => nodes.get(narHash.toString()) },
  };
  for (const files of worlds) await addWorld(cache, nodes, files);
  return cache;
}

async function addWorld(
  services: MemoryCache,
  nodes: Map<string, Node>,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const waiting = new Map<string, { claim: Claim; node: Node }>();
  for (const text of narinfosOf(files).values()) {
    const info = parseNarInfo(Buffer.from(text));
    const node = await putNar(services, await narOf(files, text));
    const claim = new Claim({ ...info, origin: undefined, verification: { by: 'nobody' } });
    nodes.set(info.narHash.toString(), node);
    waiting.set(info.storePath.baseName, { claim, node });
  }
  const done = new Map<string, ReferenceContent>();
  while (waiting.size > 0) {
    const before = waiting.size;
    for (const [baseName, { claim, node }] of waiting) {
      const names = new Set(claim.references.map((reference) => reference.baseName));
      names.delete(baseName);
      const references = new Map<string, ReferenceContent>();
      for (const name of names) {
        const content = done.get(name);
        if (content !== undefined) references.set(name, content);
      }
      if (references.size < names.size) continue;
      const pathInfo = await services.pathInfoService.put(new PathInfo(claim, node, references));
      const { closureDigest } = pathInfo;
      done.set(baseName, { node, closureDigest, evidence: 'unchecked' });
      waiting.delete(baseName);
    }
    if (waiting.size === before) throw new Error('references are missing or in a cycle');
  }
}
