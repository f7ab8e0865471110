/** Findings for people and as data. */
import type { Finding } from '../pathinfo/finding.ts';

/** A finding as one line. */
export function findingText(finding: Finding): string {
  const { referrer, reference, differing, ours, theirs, upstream } = finding;
  const what =
    referrer === undefined
      ? reference.baseName
      : `${referrer.baseName} refers to ${reference.baseName}, which`;
  if (differing !== undefined && !differing.equals(reference)) {
    return `mixed: ${what} is another at ${upstream}: ${differing.baseName} below it differs`;
  }
  if (ours.narHash.equals(theirs.narHash)) {
    return `mixed: ${what} has the same bytes at ${upstream}, but other references`;
  }
  const here = `${ours.narHash.toNixbase32()} here`;
  const there = `${theirs.narHash.toNixbase32()} there`;
  return `mixed: ${what} is another at ${upstream}: ${there}, ${here}`;
}

/** A finding as JSON. */
export function findingJson(finding: Finding): object {
  const { referrer, reference, differing, ours, ourClosureDigest, theirs, upstream } = finding;
  return {
    referrer: referrer?.absolute ?? null,
    reference: reference.absolute,
    differing: differing?.absolute ?? null,
    ours: { narHash: ours.narHash.toNixbase32(), signedBy: ours.signedBy },
    ourClosureDigest,
    theirs: { narHash: theirs.narHash.toNixbase32(), signedBy: theirs.signedBy },
    upstream,
  };
}
