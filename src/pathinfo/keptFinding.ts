/** When two findings are the same, in which order they are listed, and what is kept of both. */
import { concatBytes, utf8 } from '../bytes.ts';
import { derivedDigest } from '../castore/digest.ts';
import { STORE_PATH_DIGEST_BYTES } from '../storePath.ts';
import type { Finding, KeptFinding } from './finding.ts';

const KEY_CONTEXT = 'narthex finding key v1';
const NO_DIGEST = new Uint8Array(STORE_PATH_DIGEST_BYTES);
const UPSTREAM_BYTES = 512; // index keys have an end; URLs need not
const END_OF_TEXT = Uint8Array.of(0);

/**
 * The same bytes for findings that are the same, in the order in which they are listed: those without
 * a referrer first, then by digests of referrer and reference, then by upstream.
 *
 *     key = u8 1 if there is a referrer, its digest (20 bytes, else zeros), digest of the reference,
 *           the upstream's URL up to its 512th byte, a zero byte, BLAKE3 of all but the signers
 */
export function findingKey(finding: Finding): Uint8Array {
  const { referrer, reference, differing, ours, ourClosureDigest, theirs, upstream } = finding;
  const identity = JSON.stringify([
    referrer?.baseName ?? null,
    reference.baseName,
    differing?.baseName ?? null,
    ours.narHash.toNixbase32(),
    ourClosureDigest.hex,
    theirs.narHash.toNixbase32(),
    upstream,
  ]);
  return concatBytes([
    Uint8Array.of(referrer === undefined ? 0 : 1),
    referrer?.digest ?? NO_DIGEST,
    reference.digest,
    utf8(upstream).subarray(0, UPSTREAM_BYTES),
    END_OF_TEXT,
    derivedDigest(KEY_CONTEXT, utf8(identity)).bytes,
  ]);
}

/**
 * What is kept of a finding that is seen, perhaps not for the first time.
 * @param known the same finding as it is kept so far
 * @param now milliseconds since 1970; clocks may go back, and processes may be late
 */
export function seenFinding(
  known: KeptFinding | undefined,
  finding: Finding,
  now: number,
): KeptFinding {
  const { referrer, reference, differing, ours, ourClosureDigest, theirs, upstream } = finding;
  return {
    referrer,
    reference,
    differing,
    ours,
    ourClosureDigest,
    theirs,
    upstream,
    firstSeen: Math.min(known?.firstSeen ?? now, now),
    lastSeen: Math.max(known?.lastSeen ?? now, now),
  };
}
