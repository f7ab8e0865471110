/** Differences as data, for `--json`. */
import { jsonOfBytes } from '../bytes.ts';
import type { ClosureChange } from '../diff/closureDiff.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { sidesOf, type ToldChange } from './diffText.ts';
import { nodeJson } from './pathInfoJson.ts';

/** A change between two nodes; a side that is not there is `null`. */
export function nodeChangeJson({ change, text }: ToldChange): object {
  const [a, b] = sidesOf(change);
  const sameAs = 'sameAs' in change ? change.sameAs : undefined;
  return {
    type: change.type,
    path: jsonOfBytes(change.path),
    a: a === undefined ? null : nodeJson(a),
    b: b === undefined ? null : nodeJson(b),
    ...(sameAs && { sameAs: jsonOfBytes(sameAs) }),
    ...(text && { text }),
  };
}

/** A change between two closures; a side that is not there is `null`. */
export function closureChangeJson(
  change: ClosureChange,
  files: readonly object[] | undefined,
): object {
  const [a, b] = sidesOf(change);
  return {
    type: change.type,
    a: a === undefined ? null : pathJson(a),
    b: b === undefined ? null : pathJson(b),
    ...('contentsDiffer' in change && {
      contentsDiffer: change.contentsDiffer,
      referencesDiffer: change.referencesDiffer,
    }),
    ...(files && { files }),
  };
}

/** What names a variant, with its size. */
export function pathJson({ storePath, claim, closureDigest }: PathInfo): object {
  return { path: storePath.absolute, closureDigest, narSize: claim.narSize };
}
