/** Bringing a closure from one service to another. */
import type { ServiceOptions } from '../../castore/blobService.ts';
import { missingReference } from '../closure.ts';
import { keyText, referencedVariants, type VariantKey } from '../currentView.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';

/**
 * Makes the content of a path readable where its PathInfo goes, and says that it is what the claim says:
 * a peer may be lying about which content a signed NarHash is of.
 */
export type CopyContent = (pathInfo: PathInfo, options: ServiceOptions) => Promise<void>;

/** Variants that are looked for at once. */
const VARIANTS_IN_FLIGHT = 32;
/** Paths whose content is copied at once. */
const PATHS_IN_FLIGHT = 4;
/** PathInfos that are put at once. */
const PUT_BATCH = 256;

/** Between which services to bring. */
export interface BringOptions extends PathInfoOptions {
  readonly from: Pick<PathInfoService, 'getVariant'>;
  readonly to: Pick<PathInfoService, 'getVariant' | 'putAll'>;
  readonly copyContent: CopyContent | undefined;
}

/**
 * Puts what `to` lacks of the closure of `root`, references before referrers and contents before both,
 * so that what is interrupted has left whole closures only.
 * @throws REFERENCE_MISSING `from` lacks a variant of the closure
 */
export async function bringClosure(root: PathInfo, options: BringOptions): Promise<void> {
  const { to, copyContent, signal } = options;
  const missing = await missingVariants(root, options);
  const ordered = referencesFirst(root, missing);
  for (let i = 0; i < ordered.length; i += PUT_BATCH) {
    const batch = ordered.slice(i, i + PUT_BATCH);
    if (copyContent !== undefined) {
      await inParallel(batch, PATHS_IN_FLIGHT, (pathInfo) => copyContent(pathInfo, { signal }));
    }
    signal?.throwIfAborted();
    await to.putAll(batch, { signal, context: options.context });
  }
}

/** The variants of the closure that are not there; what is there is there with its closure. */
async function missingVariants(
  root: PathInfo,
  { from, to, signal, context }: BringOptions,
): Promise<Map<string, PathInfo>> {
  const missing = new Map<string, PathInfo>();
  const seen = new Set<string>([keyOf(root)]);
  let level: PathInfo[] = [root];
  while (level.length > 0) {
    const below: { variant: VariantKey; referrer: PathInfo }[] = [];
    for (const pathInfo of level) {
      missing.set(keyOf(pathInfo), pathInfo);
      for (const variant of referencedVariants(pathInfo)) {
        if (seen.size < seen.add(keyText(variant)).size) {
          below.push({ variant, referrer: pathInfo });
        }
      }
    }
    const found: PathInfo[] = [];
    await inParallel(below, VARIANTS_IN_FLIGHT, async ({ variant, referrer }) => {
      const { digest, closureDigest } = variant;
      const options = { signal, context };
      if ((await to.getVariant(digest, closureDigest, options)) !== undefined) return;
      const pathInfo = await from.getVariant(digest, closureDigest, options);
      if (pathInfo === undefined) throw missingReference(referrer, variant);
      found.push(pathInfo);
    });
    level = found;
  }
  return missing;
}

/** A closure digest stands on others, so there are no circles. */
function referencesFirst(root: PathInfo, missing: ReadonlyMap<string, PathInfo>): PathInfo[] {
  const ordered: PathInfo[] = [];
  const begun = new Set<string>([keyOf(root)]);
  const open = [{ pathInfo: root, references: referencedVariants(root).values() }];
  for (let frame = open.at(-1); frame !== undefined; frame = open.at(-1)) {
    const next = frame.references.next();
    if (next.done === true) {
      ordered.push(frame.pathInfo);
      open.pop();
      continue;
    }
    const key = keyText(next.value);
    const pathInfo = missing.get(key);
    if (pathInfo === undefined || begun.has(key)) continue;
    begun.add(key);
    open.push({ pathInfo, references: referencedVariants(pathInfo).values() });
  }
  return ordered;
}

function keyOf({ storePath, closureDigest }: PathInfo): string {
  return keyText({ digest: storePath.digest, closureDigest });
}

/** All settle before one of them fails the whole, so that nothing goes on behind its back. */
async function inParallel<T>(
  items: readonly T[],
  inFlight: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const workOn = async () => {
    for (const item of queue) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: inFlight }, workOn));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
