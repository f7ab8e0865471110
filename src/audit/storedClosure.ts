/**
 * The closures of paths as they are kept, gathered in spite of what is missing or damaged, which an
 * audit has to tell of and a closure walk has to stop at.
 */
import { equalNodes } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { drain } from '../ingest/drain.ts';
import { Queue } from '../ingest/queue.ts';
import { missingReference } from '../pathinfo/closure.ts';
import { keyText, referencedVariants, type VariantKey } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';

/** PathInfos whose references are read at once. */
const REFERRERS_IN_FLIGHT = 64;

/** What names a PathInfo among variants: a string that is equal exactly when the variants are. */
export function variantText({ storePath, closureDigest }: PathInfo): string {
  return keyText({ digest: storePath.digest, closureDigest });
}

/** One store path digest with several contents in one closure. */
export interface Incoherence {
  readonly hashPart: string;
  /** One variant for each root node. */
  readonly variants: readonly PathInfo[];
}

/** Paths that are kept, with or without all that they refer to. */
export class StoredClosure {
  /** Each once. */
  readonly roots: readonly PathInfo[];
  readonly #members: ReadonlyMap<string, PathInfo>;
  readonly #faults: ReadonlyMap<string, readonly NarthexError[]>;

  private constructor(
    roots: readonly PathInfo[],
    members: ReadonlyMap<string, PathInfo>,
    faults: ReadonlyMap<string, readonly NarthexError[]>,
  ) {
    this.roots = roots;
    this.#members = members;
    this.#faults = faults;
  }

  /**
   * Reads the variants that the roots refer to and, if `whole`, all below, without recursion.
   * @throws STORE_FAILED and the reason of an abort
   */
  static async gather(
    service: Pick<PathInfoService, 'getVariant'>,
    roots: readonly PathInfo[],
    { whole, signal }: { readonly whole: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<StoredClosure> {
    const members = new Map<string, PathInfo>();
    const faults = new Map<string, NarthexError[]>();
    const queue = new Queue<PathInfo>();
    const enter = (key: string, pathInfo: PathInfo) => {
      if (members.has(key)) return;
      members.set(key, pathInfo);
      queue.push(pathInfo);
    };
    for (const root of roots) enter(variantText(root), root);
    const distinct = [...members.values()];
    await drain(queue, REFERRERS_IN_FLIGHT, async (referrer) => {
      signal?.throwIfAborted();
      for (const key of referencedVariants(referrer)) {
        const text = keyText(key);
        const found = members.get(text) ?? (await readVariant(service, key, signal));
        const fault =
          found instanceof NarthexError ? found : faultOfReference(referrer, key, found);
        if (fault !== undefined) {
          const text = variantText(referrer);
          faults.set(text, [...(faults.get(text) ?? []), fault]);
        } else if (whole && found !== undefined && !(found instanceof NarthexError)) {
          enter(text, found);
        }
      }
    });
    return new StoredClosure(distinct, members, faults);
  }

  /** All PathInfos, each variant once, the roots first. */
  get members(): PathInfo[] {
    return [...this.#members.values()];
  }

  /** What is wrong with the references of a member: missing, damaged, or of other content. */
  faultsOf(member: PathInfo): readonly NarthexError[] {
    return this.#faults.get(variantText(member)) ?? [];
  }

  /** The members of one root's closure, as far as they are here, the root first. */
  closureOf(root: PathInfo): PathInfo[] {
    const closure = new Map([[variantText(root), root]]);
    // what is added while the loop goes on is visited by it
    for (const member of closure.values()) {
      for (const key of referencedVariants(member)) {
        const text = keyText(key);
        const found = this.#members.get(text);
        if (found !== undefined) closure.set(text, found);
      }
    }
    return [...closure.values()];
  }
}

/** Store path digests with several root nodes. A coherent closure has none. */
export function incoherences(members: Iterable<PathInfo>): Incoherence[] {
  const found: Incoherence[] = [];
  for (const [hashPart, variants] of Map.groupBy(members, ({ storePath }) => storePath.hashPart)) {
    const distinct = variants.filter(
      ({ node }, i) => variants.findIndex((other) => equalNodes(node, other.node)) === i,
    );
    if (distinct.length > 1) found.push({ hashPart, variants: distinct });
  }
  return found;
}

/** A damaged record is an answer here, as absence is. */
async function readVariant(
  service: Pick<PathInfoService, 'getVariant'>,
  { digest, closureDigest }: VariantKey,
  signal: AbortSignal | undefined,
): Promise<PathInfo | NarthexError | undefined> {
  try {
    return await service.getVariant(digest, closureDigest, { signal });
  } catch (error) {
    if (error instanceof NarthexError && error.code === 'STORE_INVALID') return error;
    throw error;
  }
}

function faultOfReference(
  referrer: PathInfo,
  key: VariantKey,
  found: PathInfo | undefined,
): NarthexError | undefined {
  if (found === undefined) return missingReference(referrer, key);
  const content = referrer.references.get(found.storePath.baseName);
  // the closure digest speaks for the variant; the node beside it is what a reader may go by
  if (content !== undefined && equalNodes(content.node, found.node)) return undefined;
  const path = referrer.storePath.absolute;
  return new NarthexError(
    'STORE_INVALID',
    `${path} refers to ${found.storePath.absolute} with another root node than that variant has`,
    {
      storePath: path,
      reference: found.storePath.absolute,
      closureDigest: String(key.closureDigest),
    },
  );
}
