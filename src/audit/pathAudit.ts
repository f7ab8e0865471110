/** What is to be said about one path that is kept. */
import type { NarthexError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { sortedReferences } from '../narinfo/references.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { DirectorySource } from '../render/fetchDirectory.ts';
import type { BlobSource } from '../render/readContents.ts';
import type { PublicKey } from '../signature.ts';
import type { StorePath } from '../storePath.ts';
import { claimFaults } from './claimAudit.ts';
import { auditContent } from './contentAudit.ts';
import type { KnownPaths } from './knownPaths.ts';

/** Which hash parts the bytes of a path hold, held against the references that are declared. */
export interface Occurrences {
  /** Paths that are kept and whose hash parts occur, but that are not declared. */
  readonly undeclared: readonly StorePath[];
  /** Declared references whose hash parts never occur. */
  readonly absent: readonly StorePath[];
}

/** What was found out about a path. */
export interface PathAudit {
  readonly pathInfo: PathInfo;
  /** All that is wrong with it; empty if nothing is. */
  readonly faults: readonly NarthexError[];
  /** For information; `undefined` if the content was not read to its end. */
  readonly occurrences: Occurrences | undefined;
}

/** Where paths are kept and how they are looked at. */
export interface PathAuditOptions {
  readonly blobService: BlobSource;
  readonly directoryService: DirectorySource;
  readonly trustedKeys: readonly PublicKey[];
  /** Whether NARs are re-hashed. */
  readonly contents: boolean;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Audits one path.
 * @param faultsOfReferences what is known to be wrong with its references
 * @param knownPaths whose hash parts are looked for in its content; its references among them
 */
export async function auditPath(
  pathInfo: PathInfo,
  faultsOfReferences: readonly NarthexError[],
  knownPaths: KnownPaths,
  options: PathAuditOptions,
): Promise<PathAudit> {
  const { claim } = pathInfo;
  const faults = [...faultsOfReferences, ...claimFaults(claim, options.trustedKeys)];
  if (!options.contents) return { pathInfo, faults, occurrences: undefined };
  const declared = sortedReferences(claim.references);
  const content = await auditContent(pathInfo, {
    ...options,
    findStorePath: (hashPart) => knownPaths.find(hashPart),
  });
  return {
    pathInfo,
    faults: [...faults, ...content.faults],
    occurrences: content.occurring && compare(declared, content.occurring),
  };
}

/** The base names of the references that have this evidence, the path itself left out. */
export function edgesOf({ references, storePath }: PathInfo, evidence: Evidence): string[] {
  return [...references]
    .filter(([name, content]) => content.evidence === evidence && name !== storePath.baseName)
    .map(([name]) => name);
}

function compare(
  declared: readonly StorePath[],
  occurring: ReadonlyMap<string, StorePath>,
): Occurrences {
  const hashParts = new Set(declared.map(({ hashPart }) => hashPart));
  const undeclared = [...occurring.values()].filter(({ hashPart }) => !hashParts.has(hashPart));
  return {
    undeclared: sortedReferences(undeclared),
    absent: declared.filter(({ hashPart }) => !occurring.has(hashPart)),
  };
}
