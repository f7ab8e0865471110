/**
 * Limits for what comes from outside. A declared length, depth or count passes one of them before
 * memory is allocated for it; what exceeds one is refused with `LIMIT_EXCEEDED` and its name.
 */
import { NarthexError } from './errors.ts';

/** The limits by name; sizes in bytes. */
export interface Limits {
  /** A narinfo. The longest known real ones have some 60 KB (thousands of references). */
  readonly narinfoBytes: number;
  /** References of one narinfo. */
  readonly narinfoReferences: number;
  /** `Sig` lines of one narinfo. */
  readonly narinfoSignatures: number;
  /** A `nix-cache-info`. */
  readonly cacheInfoBytes: number;
  /** A NAR when unpacked; above it a narinfo's NarSize is refused. */
  readonly narBytes: number;
  /** Nesting of directories in a NAR. Newer Nix writes at most 64, older caches hold deeper trees. */
  readonly narDepth: number;
  /** Nodes (files, directories, symlinks) in one NAR. */
  readonly narEntries: number;
  /** Entries of one directory. */
  readonly directoryEntries: number;
  /**
   * How often the NAR of a content-addressed path may contain its own hash part. Where it does enters
   * the hash at the very end, so all places are kept until then.
   */
  readonly selfReferences: number;
  /** Memory that an xz, lzma or zstd decoder may take for its dictionary or window. */
  readonly decoderMemoryBytes: number;
  /** A `.ls` listing that is parsed. */
  readonly listingBytes: number;
  /** Entries of a zip file. Three to four a store path; some 0.5 KB of memory each. */
  readonly zipEntries: number;
  /**
   * Store paths of a closure that is served under its digest, and of all those together that a server
   * remembers; some 200 bytes of memory each.
   */
  readonly pinnedClosurePaths: number;
  /** The log of a build, decompressed. */
  readonly buildLogBytes: number;
  /** A realisation (`.doi`). */
  readonly realisationBytes: number;
  /** A file of `debuginfo/`. */
  readonly debugInfoBytes: number;
  /** Logs, realisations and pieces of debug information that are kept; some 150 bytes of index each. */
  readonly extraFiles: number;
  /** Changes that one comparison of two trees tells of, and directories it opens for them. */
  readonly diffEntries: number;
}

/** Defaults that every real cache known to us stays below. */
export const DEFAULT_LIMITS: Limits = {
  narinfoBytes: 1024 * 1024,
  narinfoReferences: 20_000,
  narinfoSignatures: 64,
  cacheInfoBytes: 64 * 1024,
  narBytes: 1024 ** 4,
  narDepth: 1024,
  narEntries: 20_000_000,
  directoryEntries: 4_000_000,
  selfReferences: 4_000_000,
  decoderMemoryBytes: 128 * 1024 * 1024,
  listingBytes: 256 * 1024 * 1024,
  zipEntries: 400_000,
  pinnedClosurePaths: 200_000,
  buildLogBytes: 256 * 1024 * 1024,
  realisationBytes: 1024 * 1024,
  debugInfoBytes: 16 * 1024,
  extraFiles: 20_000_000,
  diffEntries: 4_000_000,
};

/**
 * Passes `actual` if it is within the limit called `name`.
 * @throws LIMIT_EXCEEDED with `limit`, `expected` (the maximum) and `actual`
 */
export function checkLimit<Name extends keyof Limits>(
  limits: Pick<Limits, Name>,
  name: Name,
  actual: number | bigint,
  facts: Record<string, string | number> = {},
): void {
  if (actual > limits[name]) {
    throw new NarthexError(
      'LIMIT_EXCEEDED',
      `${name} is ${actual}, more than the limit of ${limits[name]}`,
      { ...facts, limit: name, expected: limits[name], actual },
    );
  }
}
