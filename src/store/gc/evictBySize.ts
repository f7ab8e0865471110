/** Which current variants are given up so that what stays fits into so many bytes. */
import type { Tables } from '../storeIndex.ts';
import { ContentMarks, runInTurns } from './contentMarks.ts';
import type { DirectoryReader } from './directoryReader.ts';
import type { LinkedVariant, Selection } from './retention.ts';

/**
 * Goes from the variant that was used last to the one that was not used for longest, adding up what each brings
 * with its closure that was not counted yet, until one does not fit: that one and all after it are
 * given up. What is pinned or relied on, and extra files, are counted first, and never given up.
 * @returns when those that are given up were last used, by the keys of their closure digests
 * @throws DIRECTORY_MISSING | BLOB_MISSING | DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED
 * @throws the signal's reason
 */
export async function evictBySize(
  tables: Tables,
  { all, required, candidates }: Selection,
  maxBytes: number,
  reader: DirectoryReader,
  signal: AbortSignal | undefined,
): Promise<Map<string, number>> {
  const marks = new ContentMarks(tables, reader);
  const counted = new Set<string>();
  const count = async (roots: readonly LinkedVariant[]) => {
    const toVisit = [...roots];
    for (let variant = toVisit.pop(); variant !== undefined; variant = toVisit.pop()) {
      if (counted.has(variant.closureDigest.key)) continue;
      counted.add(variant.closureDigest.key);
      await runInTurns(marks.markNode(variant.node), signal);
      for (const { key } of variant.references) {
        const reference = all.get(key);
        if (reference !== undefined) toVisit.push(reference);
      }
    }
  };
  await runInTurns(marks.markExtraFiles(), signal);
  await count(required);
  const evicted = new Map<string, number>();
  // of those used at one time the order is that of closure digests, which is nobody's wish but always the same
  const latestFirst = candidates.toSorted((a, b) => b.usedAt - a.usedAt);
  for (const { variant, usedAt } of latestFirst) {
    if (marks.bytes <= maxBytes) await count([variant]);
    if (marks.bytes > maxBytes) evicted.set(variant.closureDigest.key, usedAt);
  }
  return evicted;
}
