/** Where caches disagree: what each of them says about a path, side by side. No store is needed. */
import type { NarthexError } from '../errors.ts';
import type { Hash } from '../hash.ts';
import type { FoundNarInfo, WantedPath } from '../ingest/walkItem.ts';
import type { UnknownOutcome } from '../ingest/world.ts';
import { sortedReferences } from '../narinfo/references.ts';
import type { StorePath } from '../storePath.ts';
import { DEFAULT_QUESTIONS_IN_FLIGHT, Questioning, type Witness } from './witness.ts';

/** What some caches have under a path: the same bytes and reference names. */
export interface CachedContent {
  readonly narHash: Hash;
  /** Length of the NAR in bytes. */
  readonly narSize: number;
  /** Sorted, each once. */
  readonly references: readonly StorePath[];
  /** Those that have it, and the names of the keys that signed it there. */
  readonly caches: readonly { readonly url: string; readonly signedBy: readonly string[] }[];
}

/** A cache of which nothing is known about a path. */
export interface SilentCache {
  readonly url: string;
  readonly outcome: UnknownOutcome;
  readonly error: NarthexError | undefined;
}

/** How far the caches agree on a path. */
export type Agreement =
  /** Several have it, and all the same. */
  | 'agree'
  /** Their bytes differ: the build is not reproducible, or somebody was tampered with. */
  | 'differ'
  /** The bytes are the same, the reference names are not. */
  | 'referencesDiffer'
  /** One has it. */
  | 'alone'
  /** None is known to have it. */
  | 'nowhere';

/** A path at several caches. */
export interface PathDivergence {
  readonly asked: WantedPath;
  /** Known if a cache has it, or if it was asked for by name. */
  readonly storePath: StorePath | undefined;
  readonly agreement: Agreement;
  /** What most caches have first, otherwise in the order of the caches. */
  readonly contents: readonly CachedContent[];
  readonly silent: readonly SilentCache[];
}

/** A path that is asked about. */
export type AskedPath = WantedPath & { readonly storePath?: StorePath | undefined };

/** How caches are asked. */
export interface DivergenceOptions {
  /** Paths that are asked about at once, each at all caches; {@link DEFAULT_QUESTIONS_IN_FLIGHT}. */
  readonly inFlight?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What the caches say about each path, in the order of the paths. Memory holds no more of them than
 * are asked about at once.
 * @throws the reason of an abort, and what `paths` throws
 */
export async function* divergences(
  paths: AsyncIterable<AskedPath> | Iterable<AskedPath>,
  witnesses: readonly Witness[],
  { inFlight = DEFAULT_QUESTIONS_IN_FLIGHT, signal }: DivergenceOptions = {},
): AsyncGenerator<PathDivergence, void, undefined> {
  const questionings = witnesses.map((witness) => new Questioning(witness, signal));
  const pending: Promise<PathDivergence>[] = [];
  try {
    for await (const path of paths) {
      const divergence = divergenceOf(path, questionings);
      divergence.catch(() => {}); // thrown where it is waited for
      pending.push(divergence);
      const first = pending.length >= inFlight ? pending.shift() : undefined;
      if (first !== undefined) yield await first;
    }
    for (let first = pending.shift(); first !== undefined; first = pending.shift()) {
      yield await first;
    }
  } finally {
    // nothing goes on behind the back of whoever leaves early
    await Promise.allSettled(pending);
  }
}

async function divergenceOf(
  asked: AskedPath,
  questionings: readonly Questioning[],
): Promise<PathDivergence> {
  const answers = await Promise.all(
    questionings.map(async (questioning) => ({
      url: questioning.witness.url,
      answer: await questioning.ask(asked),
    })),
  );
  const silent = answers.flatMap(({ url, answer }) =>
    answer.outcome === 'known' ? [] : [{ url, outcome: answer.outcome, error: answer.error }],
  );
  const known = answers.flatMap(({ url, answer }) =>
    answer.outcome === 'known' ? [{ url, found: answer.found }] : [],
  );
  const contents = [...Map.groupBy(known, ({ found }) => contentText(found)).values()]
    .flatMap(contentOf)
    .sort((a, b) => b.caches.length - a.caches.length);
  const storePath = asked.storePath ?? known[0]?.found.narInfo.storePath;
  return { asked, storePath, agreement: agreementOn(contents), contents, silent };
}

/** Equal exactly when bytes and reference names are. */
function contentText({ narInfo }: FoundNarInfo): string {
  const names = sortedReferences(narInfo.references).map(({ baseName }) => baseName);
  return [narInfo.narHash.toNixbase32(), ...names].join(' ');
}

function contentOf(
  same: readonly { readonly url: string; readonly found: FoundNarInfo }[],
): CachedContent[] {
  const [first] = same;
  if (first === undefined) return [];
  const { narHash, narSize, references } = first.found.narInfo;
  const caches = same.map(({ url, found }) => ({
    url,
    signedBy: [...new Set(found.narInfo.signatures.map(({ keyName }) => keyName))],
  }));
  return [{ narHash, narSize, references: sortedReferences(references), caches }];
}

function agreementOn(contents: readonly CachedContent[]): Agreement {
  const [first, ...others] = contents;
  if (first === undefined) return 'nowhere';
  if (others.length === 0) return first.caches.length > 1 ? 'agree' : 'alone';
  return others.every(({ narHash }) => narHash.equals(first.narHash))
    ? 'referencesDiffer'
    : 'differ';
}
