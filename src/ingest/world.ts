/**
 * An upstream's world: what its narinfos say about whole closures. No content is looked at, so it
 * costs as many requests as there are paths, and as many round trips as the closure is deep.
 */
import { NarthexError } from '../errors.ts';
import type { StorePath } from '../storePath.ts';
import { drain } from './drain.ts';
import { Queue } from './queue.ts';
import type { FoundNarInfo } from './walkItem.ts';

/** Why nothing is known of a path in a world. */
export type UnknownOutcome =
  /** The upstream does not have it (any more). */
  | 'absent'
  /** The upstream could not be asked. */
  | 'unreachable'
  /** Its narinfo does not verify, or makes no sense: no evidence for anything. */
  | 'unverified';

/** A path in a world whose narinfo holds. */
export interface KnownPath<Found extends FoundNarInfo = FoundNarInfo> {
  readonly outcome: 'known';
  readonly storePath: StorePath;
  readonly found: Found;
  /** What it refers to, each once, itself left out. */
  readonly references: readonly StorePath[];
}

/** A path in a world of which nothing is known. */
export interface UnknownPath {
  readonly outcome: UnknownOutcome;
  readonly storePath: StorePath;
  readonly error: NarthexError | undefined;
  /** Of what stands in for it (`standIns`): what that refers to. */
  readonly references?: readonly StorePath[];
}

/** By base name: the closures of some paths as one upstream has them. */
export type World<Found extends FoundNarInfo = FoundNarInfo> = ReadonlyMap<
  string,
  KnownPath<Found> | UnknownPath
>;

/** Errors that are about the narinfo, not about reaching it. */
const UNVERIFIED_CODES: ReadonlySet<string> = new Set([
  'SIGNATURE_MISSING',
  'SIGNATURE_MISMATCH',
  'CONTENT_ADDRESS_MISMATCH',
  'STORE_PATH_MISMATCH',
  'NARINFO_INVALID',
]);

/**
 * Asks for the narinfos of whole closures, breadth first.
 * @param roots where to begin
 * @param ask gives the narinfo of the upstream whose world it is
 * @param inFlight how many are asked for at once
 * @throws the reason of an abort; what `ask` throws as a NarthexError is an outcome
 */
export async function gatherWorld<Found extends FoundNarInfo>(
  roots: readonly Found[],
  ask: (path: StorePath) => Promise<Found | undefined>,
  inFlight: number,
): Promise<World<Found>> {
  const world = new Map<string, KnownPath<Found> | UnknownPath>();
  const queue = new Queue<StorePath>();
  const seen = new Set<string>();
  const enter = (found: Found) => {
    const { storePath } = found.narInfo;
    const references = otherReferences(storePath, found.narInfo.references);
    seen.add(storePath.baseName);
    world.set(storePath.baseName, { outcome: 'known', storePath, found, references });
    for (const reference of references) {
      if (seen.has(reference.baseName)) continue;
      seen.add(reference.baseName);
      queue.push(reference);
    }
  };
  for (const root of roots) seen.add(root.narInfo.storePath.baseName);
  for (const root of roots) enter(root);
  await drain(queue, inFlight, async (storePath) => {
    const answer = await outcomeOf(storePath, ask);
    if ('outcome' in answer) world.set(storePath.baseName, answer);
    else enter(answer);
  });
  return world;
}

async function outcomeOf<Found extends FoundNarInfo>(
  storePath: StorePath,
  ask: (path: StorePath) => Promise<Found | undefined>,
): Promise<Found | UnknownPath> {
  try {
    return (await ask(storePath)) ?? { outcome: 'absent', storePath, error: undefined };
  } catch (error) {
    if (!(error instanceof NarthexError)) throw error;
    return { outcome: outcomeOfError(error), storePath, error };
  }
}

/** What asking for a narinfo came to that failed with `error`: a failure is never absence. */
export function outcomeOfError({ code }: NarthexError): Exclude<UnknownOutcome, 'absent'> {
  return UNVERIFIED_CODES.has(code) ? 'unverified' : 'unreachable';
}

/** The references of a path, each once, without the path itself. */
function otherReferences(self: StorePath, references: readonly StorePath[]): StorePath[] {
  const byName = new Map(references.map((reference) => [reference.baseName, reference]));
  byName.delete(self.baseName);
  return [...byName.values()];
}
