/** Several services, asked in order. */
import { compareBytes } from '../../bytes.ts';
import type { CoolDown } from '../../castore/combinators/coolDown.ts';
import { firstAnswer } from '../../castore/combinators/firstAnswer.ts';
import type { Digest } from '../../castore/digest.ts';
import { keyText } from '../currentView.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import type { VariantService } from '../variantService.ts';
import { getByClosureDigest, prefer } from './variantMethods.ts';

/**
 * Answers with the first member that has a path; writes go to the first member. A member that cannot
 * be asked is left alone for a while and comes back by itself; what then no other has is an error.
 *
 * Each member's current view is coherent; all together are where the members agree on what they share.
 */
export class PriorityPathInfoService implements VariantService {
  readonly #members: readonly [PathInfoService, ...PathInfoService[]];
  readonly #coolDown: CoolDown<PathInfoService>;

  constructor(
    members: readonly [PathInfoService, ...PathInfoService[]],
    coolDown: CoolDown<PathInfoService>,
  ) {
    this.#members = members;
    this.#coolDown = coolDown;
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    return await this.#first((member) => member.get(digest, options), options);
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    const found = await this.#first(
      async (member) => (await member.has(digest, options)) || undefined,
      options,
    );
    return found ?? false;
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return await this.#first((m) => m.getVariant(digest, closureDigest, options), options);
  }

  /** Those of all members, each once, those of the first member first. */
  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    const seen = new Set<string>();
    for (const member of this.#members) {
      for await (const pathInfo of member.listVariants(digest, options)) {
        const key = keyText({ digest, closureDigest: pathInfo.closureDigest });
        if (seen.size < seen.add(key).size) yield pathInfo;
      }
    }
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    return await this.#members[0].put(pathInfo, options);
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    return await this.#members[0].putAll(pathInfos, options);
  }

  /** What {@link get} gives, for all members that can be listed together; each path once. */
  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    await using lists = new AsyncDisposableStack();
    const heads: { pathInfo: PathInfo; rest: AsyncIterator<PathInfo> }[] = [];
    for (const member of this.#members) {
      const rest = member.list(options)[Symbol.asyncIterator]();
      lists.defer(async () => {
        await rest.return?.();
      });
      const first = await rest.next();
      if (first.done !== true) heads.push({ pathInfo: first.value, rest });
    }
    for (let least = leastOf(heads); least !== undefined; least = leastOf(heads)) {
      const { digest } = least.storePath;
      yield least;
      for (const head of [...heads]) {
        if (compareBytes(head.pathInfo.storePath.digest, digest) !== 0) continue;
        const next = await head.rest.next();
        if (next.done === true) heads.splice(heads.indexOf(head), 1);
        else head.pathInfo = next.value;
      }
    }
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return await this.#first((m) => getByClosureDigest(m, closureDigest, options), options);
  }

  /** In the first member, which is the one that takes writes. */
  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    return await prefer(this.#members[0], digest, closureDigest, options);
  }

  async #first<T>(
    ask: (member: PathInfoService) => Promise<T | undefined>,
    options: PathInfoOptions | undefined,
  ): Promise<T | undefined> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    return await firstAnswer(this.#members, this.#coolDown, ask, { signal });
  }
}

/** The one whose digest comes first; of equal ones that of the earlier member. */
function leastOf(heads: readonly { readonly pathInfo: PathInfo }[]): PathInfo | undefined {
  return heads.reduce<PathInfo | undefined>(
    (least, { pathInfo }) =>
      least === undefined || compareBytes(pathInfo.storePath.digest, least.storePath.digest) < 0
        ? pathInfo
        : least,
    undefined,
  );
}
