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
  readonly #caches: PullThrough | undefined;
  readonly #peers: PathInfoService | undefined;

  constructor(caches: PullThrough | undefined, peers: PathInfoService | undefined) {
    this.#caches = caches;
    this.#peers = peers;
  }

  async claim(digest: Uint8Array, options: PendingOptions): Promise<Claim | undefined> {
    const failures: unknown[] = [];
    const ask = async (question: Promise<Claim | undefined> | undefined) => {
      try {
        return await question;
      } catch (error) {
        options.signal?.throwIfAborted();
        failures.push(error);
        return undefined;
      }
    };
    const claim =
      (await ask(this.#caches?.claim(digest, options))) ??
      (await ask(this.#claimOfPeers(digest, options)));
    if (claim === undefined && failures.length > 0) throw failures[0];
    return claim;
  }

  async nar(narHash: Hash, options: PendingOptions): Promise<PendingNar | undefined> {
    return await this.#caches?.nar(narHash, options);
  }

  async #claimOfPeers(digest: Uint8Array, { signal }: PendingOptions): Promise<Claim | undefined> {
    return (await this.#peers?.get(digest, { signal }))?.claim;
  }
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
