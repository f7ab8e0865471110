/** What a cache that lacks something asks: paths that are told and given while they are brought in. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Hash } from '../hash.ts';
import type { Claim } from '../pathinfo/claim.ts';
import type { ByteRange } from '../render/layout.ts';

/** How it is asked. */
export interface PendingOptions extends ServiceOptions {
  /** False for `HEAD`: nothing is brought in for a question. */
  readonly ingest: boolean;
}

/** A NAR that may not all be here yet, and may turn out to be wrong. */
export interface PendingNar {
  /** Bytes. */
  readonly narSize: number;
  /** Throws before the last byte where the NAR is wrong: the answer is then broken off. */
  read(range: ByteRange, options: ServiceOptions): AsyncIterable<Uint8Array>;
}

/**
 * Paths that are not kept. A failure is never absence; what is absent or failed now may be here the next
 * moment.
 */
export interface PendingPaths {
  /** The claim about a path, verified; `undefined` where there is none. */
  claim(digest: Uint8Array, options: PendingOptions): Promise<Claim | undefined>;
  /** A NAR that claims told since then promise; `undefined` where it is kept by now, or unknown. */
  nar(narHash: Hash, options: PendingOptions): Promise<PendingNar | undefined>;
}
