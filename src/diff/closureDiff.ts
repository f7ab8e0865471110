/** What differs between two closures, store path by store path. */
import { bytesKey, EMPTY } from '../bytes.ts';
import { encodeEntry } from '../castore/directory.ts';
import { equalNodes } from '../castore/node.ts';
import { walkClosure } from '../pathinfo/closure.ts';
import { keyText } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { parsePackageName } from './packageName.ts';
import type { Sides } from './sides.ts';

/** Two PathInfos that stand for each other in their closures. */
export interface PathInfoPair extends Sides<PathInfo> {
  /** Whether their own files differ. */
  readonly contentsDiffer: boolean;
  /** Whether they refer to other things: to other store paths, or to the same in other variants. */
  readonly referencesDiffer: boolean;
}

/** A difference between two closures. */
export type ClosureChange =
  | { readonly type: 'added'; readonly b: PathInfo }
  | { readonly type: 'removed'; readonly a: PathInfo }
  /** The same store path in another variant. */
  | ({ readonly type: 'changed' } & PathInfoPair)
  /** Another store path of the same package: another version, or another build of the same. */
  | ({ readonly type: 'replaced' } & PathInfoPair);

/** What differs between two closures, and what does not. */
export interface ClosureDiff {
  /** In the order of the store paths' names. Each variant that only one side has is in one of them. */
  readonly changes: readonly ClosureChange[];
  /** Number of variants that both have. */
  readonly sameCount: number;
  /** The sum of the NARs of each closure. */
  readonly narSizeBytes: Sides<number>;
}

/** What {@link diffClosures} needs. */
export interface ClosureDiffOptions {
  /** Where the PathInfos of each side are; often the same service twice. */
  readonly pathInfos: Sides<Pick<PathInfoService, 'getVariant'>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * By what the paths that only one side has are matched, the surest first. Names need not be unique
 * (`source`), and where several fit they are taken in the order of their names and sizes.
 */
const MATCHED_BY: readonly ((pathInfo: PathInfo) => string)[] = [
  ({ storePath }) => storePath.baseName,
  ({ storePath, node }) => `${storePath.name}/${bytesKey(encodeEntry(EMPTY, node))}`,
  ({ storePath }) => storePath.name,
  ({ storePath }) => {
    const { name, output } = parsePackageName(storePath.name);
    return `${name}/${output}`;
  },
  ({ storePath }) => parsePackageName(storePath.name).name,
];

/**
 * What differs between the closures of two lists of roots. Only PathInfos are read; `diffNodes`
 * leads from a pair down to its files.
 *
 * @throws REFERENCE_MISSING a variant that is referred to is not there
 */
export async function diffClosures(
  a: readonly PathInfo[],
  b: readonly PathInfo[],
  { pathInfos, signal }: ClosureDiffOptions,
): Promise<ClosureDiff> {
  const [closureA, closureB] = await Promise.all([
    closureOf(pathInfos.a, a, signal),
    closureOf(pathInfos.b, b, signal),
  ]);
  let onlyA = missingFrom(closureB, closureA);
  let onlyB = missingFrom(closureA, closureB);
  const sameCount = closureA.size - onlyA.length;

  const changes: ClosureChange[] = [];
  for (const keyOf of MATCHED_BY) {
    const matched = matchUp(onlyA, onlyB, keyOf);
    changes.push(...matched.pairs.map(([first, second]) => changeOf(first, second)));
    onlyA = matched.onlyA;
    onlyB = matched.onlyB;
  }
  changes.push(...onlyA.map((pathInfo) => ({ type: 'removed', a: pathInfo }) as const));
  changes.push(...onlyB.map((pathInfo) => ({ type: 'added', b: pathInfo }) as const));
  return {
    changes: changes.sort((x, y) => compareByName(pathInfoOf(x), pathInfoOf(y))),
    sameCount,
    narSizeBytes: { a: narSizeOf(closureA), b: narSizeOf(closureB) },
  };
}

async function closureOf(
  service: Pick<PathInfoService, 'getVariant'>,
  roots: readonly PathInfo[],
  signal: AbortSignal | undefined,
): Promise<Map<string, PathInfo>> {
  const members = new Map<string, PathInfo>();
  for await (const { pathInfo } of walkClosure(service, roots, { signal })) {
    const { digest } = pathInfo.storePath;
    members.set(keyText({ digest, closureDigest: pathInfo.closureDigest }), pathInfo);
  }
  return members;
}

/** The members that the other closure has not. */
function missingFrom(
  other: ReadonlyMap<string, PathInfo>,
  closure: ReadonlyMap<string, PathInfo>,
): PathInfo[] {
  const missing: PathInfo[] = [];
  for (const [key, pathInfo] of closure) if (!other.has(key)) missing.push(pathInfo);
  return missing.sort(compareByName);
}

/** Pairs those with the same key, in the order of the lists, one to one. */
function matchUp(
  a: readonly PathInfo[],
  b: readonly PathInfo[],
  keyOf: (pathInfo: PathInfo) => string,
) {
  const pairs: [PathInfo, PathInfo][] = [];
  const onlyA: PathInfo[] = [];
  const candidates = Map.groupBy(b, keyOf);
  const taken = new Set<PathInfo>();
  for (const pathInfo of a) {
    const match = candidates.get(keyOf(pathInfo))?.shift();
    if (match === undefined) {
      onlyA.push(pathInfo);
    } else {
      pairs.push([pathInfo, match]);
      taken.add(match);
    }
  }
  return { pairs, onlyA, onlyB: b.filter((pathInfo) => !taken.has(pathInfo)) };
}

function changeOf(a: PathInfo, b: PathInfo): ClosureChange {
  return {
    type: a.storePath.equals(b.storePath) ? 'changed' : 'replaced',
    a,
    b,
    contentsDiffer: !equalNodes(a.node, b.node),
    referencesDiffer: referencesText(a) !== referencesText(b),
  };
}

/** A text that is equal exactly when two paths refer to the same variants, each also to itself or not. */
function referencesText({ storePath, references }: PathInfo): string {
  return Array.from(references, ([name, { closureDigest }]) =>
    name === storePath.baseName ? 'self' : `${name}@${closureDigest.hex}`,
  )
    .sort()
    .join();
}

/** The side of a change that it is sorted by. */
function pathInfoOf(change: ClosureChange): PathInfo {
  return change.type === 'added' ? change.b : change.a;
}

/** By name, then by size, then by what is unique. */
function compareByName(x: PathInfo, y: PathInfo): number {
  const compareText = (s: string, t: string) => (s < t ? -1 : s > t ? 1 : 0);
  return (
    compareText(x.storePath.name, y.storePath.name) ||
    x.claim.narSize - y.claim.narSize ||
    compareText(x.storePath.baseName, y.storePath.baseName) ||
    compareText(x.closureDigest.hex, y.closureDigest.hex)
  );
}

function narSizeOf(closure: ReadonlyMap<string, PathInfo>): number {
  let sum = 0;
  for (const { claim } of closure.values()) sum += claim.narSize;
  return sum;
}
