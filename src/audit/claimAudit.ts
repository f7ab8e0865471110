/** Whether a kept claim still holds: its signatures, its content address, how it was verified. */
import { NarthexError } from '../errors.ts';
import { isStorePathOf } from '../narinfo/contentAddress.ts';
import { verifyNarInfo } from '../narinfo/verify.ts';
import type { Claim } from '../pathinfo/claim.ts';
import { PublicKey, type Signature } from '../signature.ts';

/**
 * What is wrong with a claim, apart from its content. Keys that are known are those given and the one
 * that the claim says verified it; signatures by other keys say nothing.
 */
export function claimFaults(claim: Claim, trustedKeys: readonly PublicKey[]): NarthexError[] {
  const { verification, ca, storePath } = claim;
  const verifier = verification.by === 'key' ? parseKey(verification.publicKey) : undefined;
  const knownKeys = trustedKeys.filter((key) => verifier?.equals(key) !== true);
  if (verifier !== undefined) knownKeys.push(verifier);
  const forged: Signature[] = [];
  let holds = false;
  for (const signature of claim.signatures) {
    const keys = knownKeys.filter(({ name }) => name === signature.keyName);
    const signer = signerOf(claim, signature, keys);
    if (keys.length > 0 && signer === undefined) forged.push(signature);
    holds ||= verifier !== undefined && signer?.equals(verifier) === true;
  }
  const faults = forged.map((signature) => forgedSignature(claim, signature));
  const told = forged.some(({ keyName }) => keyName === verifier?.name);
  if (verification.by === 'key' && !holds && !told) {
    faults.push(notVouchedFor(claim, verification.publicKey));
  }
  if (verification.by === 'ca' && ca === undefined) {
    faults.push(addressMismatch(claim, 'was verified by its content address, but has none'));
  }
  if (ca !== undefined && !isStorePathOf(ca, storePath, claim.references)) {
    faults.push(addressMismatch(claim, `does not follow from its content address ${ca}`));
  }
  return faults;
}

/** The key that made a signature: no signature is of two keys. */
function signerOf(
  claim: Claim,
  signature: Signature,
  keys: readonly PublicKey[],
): PublicKey | undefined {
  const verified = verifyNarInfo({ ...claim, signatures: [signature], ca: undefined }, keys);
  return verified?.kind === 'key' ? verified.key : undefined;
}

/** A kept key that is none is as good as one that signed nothing. */
function parseKey(text: string): PublicKey | undefined {
  try {
    return PublicKey.parse(text);
  } catch (error) {
    if (error instanceof NarthexError) return undefined;
    throw error;
  }
}

function notVouchedFor({ storePath, signatures }: Claim, publicKey: string): NarthexError {
  return new NarthexError(
    'SIGNATURE_MISSING',
    `${storePath.absolute} was verified by ${publicKey}, but has no signature by it that verifies`,
    {
      storePath: storePath.absolute,
      expected: publicKey,
      signedBy: signatures.map(({ keyName }) => keyName),
    },
  );
}

function forgedSignature({ storePath }: Claim, signature: Signature): NarthexError {
  return new NarthexError(
    'SIGNATURE_MISMATCH',
    `the signature of ${storePath.absolute} by ${signature.keyName} does not verify`,
    { storePath: storePath.absolute, signedBy: [signature.keyName], actual: String(signature) },
  );
}

function addressMismatch({ storePath, ca }: Claim, message: string): NarthexError {
  return new NarthexError('CONTENT_ADDRESS_MISMATCH', `${storePath.absolute} ${message}`, {
    storePath: storePath.absolute,
    ca: ca?.toString(),
  });
}
