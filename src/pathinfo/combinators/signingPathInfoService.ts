/** A service that signs. */
import { fingerprint } from '../../narinfo/fingerprint.ts';
import type { SecretKey } from '../../signature.ts';
import { Claim } from '../claim.ts';
import { PathInfo } from '../pathInfo.ts';
import type { PathInfoService } from '../pathInfoService.ts';
import { MappedPathInfoService } from './mappedPathInfoService.ts';

/** With what, and when, a {@link SigningPathInfoService} signs. */
export interface SigningOptions {
  readonly secretKey: SecretKey;
  /** `in`: what is put, so that the signature is kept. `out`: what is given out. */
  readonly when: 'in' | 'out';
}

/**
 * Adds a signature of ours to claims that something vouches for: a trusted key, the content address,
 * an authorised uploader. What nobody verified is passed on as it is: a signature would make others
 * believe it. What is signed already is not signed again.
 */
export class SigningPathInfoService extends MappedPathInfoService {
  constructor(inner: PathInfoService, { secretKey, when }: SigningOptions) {
    const sign = (pathInfo: PathInfo) => signed(pathInfo, secretKey);
    const asIs = (pathInfo: PathInfo) => pathInfo;
    super(inner, { in: when === 'in' ? sign : asIs, out: when === 'out' ? sign : asIs });
  }
}

function signed(pathInfo: PathInfo, key: SecretKey): PathInfo {
  const { claim, node, references } = pathInfo;
  const signedOne = signedClaim(claim, key);
  return signedOne === claim ? pathInfo : new PathInfo(signedOne, node, references);
}

/** A claim with a signature by `key`, if something vouches for it; the same where it has that already. */
export function signedClaim(claim: Claim, key: SecretKey): Claim {
  if (!claim.verified) return claim;
  const signature = key.sign(fingerprint(claim, 'sorted'));
  // signing the same twice gives the same signature
  if (claim.signatures.some((kept) => kept.equals(signature))) return claim;
  return new Claim({ ...claim, signatures: [...claim.signatures, signature] });
}
