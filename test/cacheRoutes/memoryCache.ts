/** A binary cache taken into memory: what routes serve in tests. No trust is checked. */
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
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { putNar } from '../render/castoreTree.ts';
import { narinfosOf, narOf } from '../support/cacheFiles.ts';

/** The services that hold a cache. */
export interface MemoryCache {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly pathInfoService: PathInfoService;
  readonly narHashIndex: { nodeByNarHash(narHash: Hash): Node | undefined };
}

/** Takes in all paths of a cache, whose references are all in it. */
export async function memoryCache(
  files: ReadonlyMap<string, Uint8Array>,
  blobService: BlobService = new MemoryBlobService(),
): Promise<MemoryCache> {
  const directoryService = new MemoryDirectoryService();
  const pathInfoService = new MemoryPathInfoService();
  const nodes = new Map<string, Node>();
  const waiting = new Map<string, { claim: Claim; node: Node }>();
  for (const text of narinfosOf(files).values()) {
    const info = parseNarInfo(Buffer.from(text));
    const node = await putNar({ blobService, directoryService }, await narOf(files, text));
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
      const pathInfo = await pathInfoService.put(new PathInfo(claim, node, references));
      const { closureDigest } = pathInfo;
      done.set(baseName, { node, closureDigest, evidence: 'unchecked' });
      waiting.delete(baseName);
    }
    if (waiting.size === before) throw new Error('references are missing or in a cycle');
  }
  return {
    blobService,
    directoryService,
    pathInfoService,
    narHashIndex: { nodeByNarHash: (narHash) => nodes.get(narHash.toString()) },
  };
}
