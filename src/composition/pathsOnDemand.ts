/** What a binary cache asks for what its store lacks: binary caches first, then peers. */
import type { PendingNar, PendingOptions, PendingPaths } from '../cacheRoutes/pendingPaths.ts';
import type { Hash } from '../hash.ts';
import type { Claim } from '../pathinfo/claim.ts';
import { signedClaim } from '../pathinfo/combinators/signingPathInfoService.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { PullThrough } from '../pullThrough/pullThrough.ts';
import type { SecretKey } from '../signature.ts';

/** Paths of binary caches while they are brought in, and paths of peers once they are. */
export class PathsOnDemand implements PendingPaths {
  readonly #caches: readonly PullThrough[];
  readonly #peers: PathInfoService | undefined;

  constructor(caches: readonly PullThrough[], peers: PathInfoService | undefined) {
    this.#caches = caches;
    this.#peers = peers;
  }

  async claim(digest: Uint8Array, options: PendingOptions): Promise<Claim | undefined> {
    const { signal } = options;
    return await firstOf(
      [
        ...this.#caches.map((cache) => () => cache.claim(digest, options)),
        async () => (await this.#peers?.get(digest, { signal }))?.claim,
      ],
      signal,
    );
  }

  async nar(narHash: Hash, options: PendingOptions): Promise<PendingNar | undefined> {
    return await firstOf(
      this.#caches.map((cache) => () => cache.nar(narHash, options)),
      options.signal,
    );
  }
}

/** The first answer. @throws the first failure, where nobody has an answer */
async function firstOf<T>(
  questions: readonly (() => Promise<T | undefined>)[],
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  const failures: unknown[] = [];
  for (const ask of questions) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return undefined;
}

/** The same paths, with a signature of ours on each claim that something vouches for. */
export function signing(paths: PendingPaths, secretKey: SecretKey): PendingPaths {
  return {
    async claim(digest, options) {
      const claim = await paths.claim(digest, options);
      return claim && signedClaim(claim, secretKey);
    },
    nar: (narHash, options) => paths.nar(narHash, options),
  };
}
