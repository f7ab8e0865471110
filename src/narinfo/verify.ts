/** Whether a claim about a store path may be believed: by a signature, or by its content address. */
import { equalBytes } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import type { PublicKey, Signature } from '../signature.ts';
import { type ContentAddress, isStorePathOf } from './contentAddress.ts';
import { fingerprint, type ReferenceOrder, type Signed } from './fingerprint.ts';

/** The part of a narinfo that is verified. */
export interface VerifiableClaim extends Signed {
  readonly signatures: readonly Signature[];
  readonly ca: ContentAddress | undefined;
}

/** How a claim was verified. */
export type Verification =
  | {
      readonly kind: 'key';
      /** The first trusted key, in the order of the signatures, whose signature is good. */
      readonly key: PublicKey;
      /** The order of references that was signed. */
      readonly order: ReferenceOrder;
    }
  /**
   * The store path follows from the content address and the references. That the *content* has this
   * address is still to be compared; until then nothing is verified.
   */
  | { readonly kind: 'ca' };

/**
 * Checks a claim against trusted keys, of which several may have the same name; one good signature
 * by any of them suffices. A key goes before the content address, because a signature speaks of
 * the NarHash as well.
 */
export function verifyNarInfo(
  claim: VerifiableClaim,
  trustedKeys: readonly PublicKey[],
): Verification | undefined {
  return verifyByKey(claim, trustedKeys) ?? verifyByContentAddress(claim);
}

function verifyByKey(
  claim: VerifiableClaim,
  trustedKeys: readonly PublicKey[],
): Verification | undefined {
  const candidates = claim.signatures.flatMap((signature) =>
    trustedKeys.filter(({ name }) => name === signature.keyName).map((key) => ({ key, signature })),
  );
  if (candidates.length === 0) return undefined;
  const match = (message: Uint8Array) =>
    candidates.find(({ key, signature }) => key.verify(message, signature))?.key;

  const given = fingerprint(claim, 'given');
  const key = match(given);
  if (key !== undefined) return { kind: 'key', key, order: 'given' };

  const sorted = fingerprint(claim, 'sorted');
  if (equalBytes(given, sorted)) return undefined;
  const keyOfSorted = match(sorted);
  return keyOfSorted && { kind: 'key', key: keyOfSorted, order: 'sorted' };
}

function verifyByContentAddress(claim: VerifiableClaim): Verification | undefined {
  const { ca, storePath, references } = claim;
  return ca !== undefined && isStorePathOf(ca, storePath, references) ? { kind: 'ca' } : undefined;
}

/**
 * The same, where a claim that cannot be verified is an error. Its facts are `storePath`,
 * `signedBy` (the key names seen), `trusted` (those that would do) and what `facts` adds.
 * @throws SIGNATURE_MISMATCH when a signature carries the name of a trusted key but is not its own
 * @throws CONTENT_ADDRESS_MISMATCH when there is no such signature, and a content address from which
 *   another store path follows
 * @throws SIGNATURE_MISSING when there is neither
 */
export function requireVerified(
  claim: VerifiableClaim,
  trustedKeys: readonly PublicKey[],
  facts: { readonly url?: string | undefined } = {},
): Verification {
  const verification = verifyNarInfo(claim, trustedKeys);
  if (verification !== undefined) return verification;

  const path = claim.storePath.absolute;
  const signedBy = distinct(claim.signatures.map(({ keyName }) => keyName));
  const trusted = distinct(trustedKeys.map(({ name }) => name));
  const known = { ...facts, storePath: path, signedBy, trusted };
  const forged = signedBy.filter((name) => trusted.includes(name));
  if (forged.length > 0) {
    throw new NarthexError(
      'SIGNATURE_MISMATCH',
      `the signature of ${path} by ${forged.join(', ')} does not verify`,
      known,
    );
  }
  if (claim.ca !== undefined) {
    throw new NarthexError(
      'CONTENT_ADDRESS_MISMATCH',
      `${path} is signed by no trusted key and does not follow from its content address ${claim.ca}`,
      { ...known, ca: claim.ca.toString() },
    );
  }
  throw new NarthexError(
    'SIGNATURE_MISSING',
    `${path} is signed by ${signedBy.join(', ') || 'nobody'}, trusted is ${trusted.join(', ') || 'nobody'}`,
    known,
  );
}

function distinct(names: readonly string[]): string[] {
  return Array.from(new Set(names));
}
