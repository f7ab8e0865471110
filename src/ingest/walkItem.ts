/** A path in a closure walk: how far it is, what became of it, and what its errors say. */
import type { Node } from '../castore/node.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { Claim, type Verification } from '../pathinfo/claim.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';

/** A store path that is asked for: its name may not be known. */
export interface WantedPath {
  /** 20 bytes. */
  readonly digest: Uint8Array;
  readonly hashPart: string;
  readonly name: string | undefined;
}

/** A narinfo that was verified, and where it came from. */
export interface FoundNarInfo {
  readonly narInfo: NarInfo;
  readonly verification: Verification;
  /** URL of the upstream, without credentials. */
  readonly origin: string;
}

/** What became of a wanted path. */
export type WalkResult =
  | { readonly outcome: 'kept'; readonly pathInfo: PathInfo }
  | { readonly outcome: 'absent' }
  | { readonly outcome: 'failed'; readonly error: unknown };

/** A path in the walk. */
export interface WalkItem<Found extends FoundNarInfo = FoundNarInfo> {
  wanted: WantedPath;
  /** Whether somebody asked for it; others are forgotten as far as possible once they are kept. */
  readonly isRoot: boolean;
  /** The same path, which something else wants by its full name. */
  sameAs: WalkItem<Found> | undefined;
  /** Those that wait for it. */
  referrers: WalkItem<Found>[];
  references: WalkItem<Found>[];
  found: Found | undefined;
  node: Node | undefined;
  /** How many things it waits for: its own discovery or content, and references. */
  waitingFor: number;
  /** Whether it waits for nothing any more: it is present, or is put next. */
  isReady: boolean;
  /** What its referrers say of it, from when it is put, or present. */
  content: ReferenceContent | undefined;
  /** Only of roots, at the end. */
  pathInfo: PathInfo | undefined;
  /** Set once it has failed. */
  failure: OwnFailure | InheritedFailure<Found> | undefined;
}

/** It failed by itself. */
interface OwnFailure {
  readonly error: unknown;
  readonly below?: never;
}

/**
 * What it refers to failed. The error is made when somebody asks for it: far up a broken chain there
 * are many, and few are looked at.
 */
interface InheritedFailure<Found extends FoundNarInfo> {
  readonly below: WalkItem<Found>;
  readonly culprit: WalkItem<Found>;
}

/** The longest chain of store paths that an error names. */
const CHAIN_NAMES = 8;

/** Base name, or hash part where the name is not known. */
export function nameOfWanted({ hashPart, name }: WantedPath): string {
  return name === undefined ? hashPart : `${hashPart}-${name}`;
}

/** The same, of an item. */
export function nameOfItem({ wanted }: WalkItem): string {
  return nameOfWanted(wanted);
}

/** Whether nothing is known yet of what becomes of it. */
export function isWaiting({ isReady, failure, sameAs }: WalkItem): boolean {
  return !isReady && failure === undefined && sameAs === undefined;
}

/** The items that wait for this one, which are told now. */
export function takeReferrers<Found extends FoundNarInfo>(
  item: WalkItem<Found>,
): WalkItem<Found>[] {
  const { referrers } = item;
  item.referrers = [];
  return referrers;
}

/** The item that failed by itself, far below or the same. */
export function culpritOf<Found extends FoundNarInfo>(item: WalkItem<Found>): WalkItem<Found> {
  const { failure } = item;
  return failure?.below === undefined ? item : failure.culprit;
}

/** What became of it, after the walk. */
export function resultOf(item: WalkItem): WalkResult {
  if (item.sameAs !== undefined) return resultOf(item.sameAs);
  if (item.failure !== undefined) {
    const error = errorOf(item);
    const absent =
      item.failure.below === undefined &&
      error instanceof NarthexError &&
      error.code === 'PATH_NOT_FOUND';
    return absent ? { outcome: 'absent' } : { outcome: 'failed', error };
  }
  if (item.pathInfo === undefined) throw new TypeError('the walk ended with a path left over');
  return { outcome: 'kept', pathInfo: item.pathInfo };
}

/**
 * The PathInfo of an item that is ready, and whose references are put before it.
 * @param evidenceOf how the edge to a reference, given by its base name, is marked
 * @throws PATH_INFO_INVALID
 */
export function pathInfoOf(
  { found, node, references }: WalkItem,
  evidenceOf?: (baseName: string) => Evidence,
): PathInfo {
  if (found === undefined || node === undefined) throw new TypeError('the path is not ready');
  const { narInfo, verification, origin } = found;
  const contents = new Map<string, ReferenceContent>();
  for (const reference of references) {
    const { content } = reference;
    if (content === undefined) throw new TypeError('a reference is not there');
    const name = nameOfItem(reference);
    contents.set(name, evidenceOf ? { ...content, evidence: evidenceOf(name) } : content);
  }
  return new PathInfo(new Claim({ ...narInfo, verification, origin }), node, contents);
}

/** What referrers say of a path. */
export function contentOf({ node, closureDigest }: PathInfo): ReferenceContent {
  return { node, closureDigest, evidence: 'unchecked' };
}

/** The error that a failed item has. */
export function errorOf(item: WalkItem): unknown {
  const { failure } = item;
  if (failure === undefined) throw new TypeError('the path has not failed');
  return failure.below === undefined ? failure.error : referenceFailed(item, failure);
}

function referenceFailed(item: WalkItem, failure: InheritedFailure<FoundNarInfo>): NarthexError {
  const { below, culprit } = failure;
  const chain: string[] = [];
  let next: WalkItem | undefined = item;
  while (next !== undefined && next !== culprit && chain.length < CHAIN_NAMES - 1) {
    chain.push(nameOfItem(next));
    next = next.failure?.below;
  }
  if (next !== culprit) chain.push('…');
  chain.push(nameOfItem(culprit));
  const cause = errorOf(culprit);
  const why = cause instanceof Error ? cause.message : String(cause);
  const facts: ErrorFacts = { storePath: nameOfItem(item), reference: nameOfItem(below), chain };
  return new NarthexError(
    'REFERENCE_FAILED',
    `${nameOfItem(item)} needs ${chain.slice(1).join(' → ')}: ${why}`,
    facts,
    cause,
  );
}

/** The error of the cycle's member at `place`, which waits for itself. */
export function cycleError(cycle: readonly WalkItem[], place: number): NarthexError {
  const shown = Math.min(cycle.length, CHAIN_NAMES - 1);
  const turned = [...cycle.slice(place, place + shown), ...cycle.slice(0, shown)];
  const names = turned.slice(0, shown).map(nameOfItem);
  const own = names[0] ?? '';
  const chain = [...names, ...(cycle.length > shown ? ['…'] : []), own];
  const message = `store paths refer to each other: ${chain.join(' → ')}`;
  return new NarthexError('REFERENCE_CYCLE', message, { storePath: own, chain });
}

/** The error of a path that is nowhere. */
export function notFound(item: WalkItem): NarthexError {
  const storePath = nameOfItem(item);
  return new NarthexError('PATH_NOT_FOUND', `no upstream has ${storePath}`, { storePath });
}

/** @throws STORE_PATH_MISMATCH the path found has another name than was asked for */
export function requireName(wanted: WantedPath, found: StorePath): void {
  if (wanted.name === undefined || wanted.name === found.name) return;
  const expected = nameOfWanted(wanted);
  throw new NarthexError('STORE_PATH_MISMATCH', `asked for ${expected}, found ${found.baseName}`, {
    expected,
    actual: found.baseName,
  });
}
