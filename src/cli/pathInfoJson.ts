/** PathInfos as data, for `--json`. */
import { jsonOfBytes } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';

/** A node as JSON; digests as `blake3-<base64>`. */
export function nodeJson(node: Node): object {
  switch (node.type) {
    case 'directory':
      return { type: node.type, digest: node.digest, size: node.size };
    case 'file':
      return { type: node.type, digest: node.digest, size: node.size, executable: node.executable };
    case 'symlink':
      return { type: node.type, target: jsonOfBytes(node.target) };
  }
}

/**
 * A PathInfo as JSON.
 * @param current whether it is the current variant
 */
export function pathInfoJson(pathInfo: PathInfo, current: boolean): object {
  const { claim, node, references, closureDigest } = pathInfo;
  return {
    path: claim.storePath.absolute,
    narHash: claim.narHash.toNixbase32(),
    narSize: claim.narSize,
    node: nodeJson(node),
    references: Array.from(references, ([name, content]) => ({
      name,
      node: nodeJson(content.node),
      closureDigest: content.closureDigest,
      evidence: content.evidence,
    })),
    signatures: claim.signatures.map(String),
    verifiedBy: claim.verification,
    origin: claim.origin ?? null,
    ca: claim.ca === undefined ? null : String(claim.ca),
    deriver: claim.deriver?.absolute ?? null,
    closureDigest,
    current,
  };
}
