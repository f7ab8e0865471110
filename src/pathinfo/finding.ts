/**
 * Findings: where an upstream's world and ours were seen to differ. They are kept so that an
 * operator can look at them later; they change nothing.
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import type { Hash } from '../hash.ts';
import type { StorePath } from '../storePath.ts';

/** One side of a difference. */
export interface FindingSide {
  readonly narHash: Hash;
  /** Names of the keys that signed it. */
  readonly signedBy: readonly string[];
}

/** An edge, or a path that was asked for, whose content differs between an upstream and us. */
export interface Finding {
  /** The path whose reference it is; `undefined` when the path itself was asked for. */
  readonly referrer: StorePath | undefined;
  /** The path that differs: itself, or something below it. */
  readonly reference: StorePath;
  /**
   * A path whose own bytes differ, or the names that it refers to: `reference`, or the first one below
   * it; `undefined` where that is not known.
   */
  readonly differing: StorePath | undefined;
  /** Our side of `reference`. */
  readonly ours: FindingSide;
  /** Closure digest of the variant that is ours. */
  readonly ourClosureDigest: Digest;
  /** The upstream's side of `reference`. */
  readonly theirs: FindingSide;
  /** URL of the upstream, without credentials. */
  readonly upstream: string;
}

/** A finding that is kept. */
export interface KeptFinding extends Finding {
  /** Milliseconds since 1970. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/**
 * Keeps findings. Two are the same when all but the signers are; seeing one again changes `lastSeen`
 * and the signers.
 */
export interface FindingService {
  /** Keeps findings, durably once the promise is fulfilled. `now`: milliseconds since 1970. */
  recordFindings(
    findings: readonly Finding[],
    now: number,
    options?: ServiceOptions,
  ): Promise<void>;
  /** All findings, in the order of referrer, reference, upstream. */
  listFindings(options?: ServiceOptions): AsyncIterable<KeptFinding>;
}
