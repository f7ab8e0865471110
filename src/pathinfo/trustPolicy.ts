/** Whom a service believes: which claims count as verified, new ones and kept ones. */
import type { NarInfo } from '../narinfo/narinfo.ts';
import { requireVerified, verifyNarInfo } from '../narinfo/verify.ts';
import type { PublicKey } from '../signature.ts';
import { Claim, type Verification } from './claim.ts';

/** Trusted keys, and whether anything but what they vouch for is accepted. */
export class TrustPolicy {
  readonly trustedKeys: readonly PublicKey[];
  /** When false, all is accepted; what nobody verified is recorded as such. */
  readonly checkSignatures: boolean;
  readonly #trusted: ReadonlySet<string>;

  constructor(trustedKeys: readonly PublicKey[], options: { checkSignatures?: boolean } = {}) {
    this.trustedKeys = trustedKeys;
    this.checkSignatures = options.checkSignatures ?? true;
    this.#trusted = new Set(trustedKeys.map(String));
  }

  /**
   * How a narinfo is verified. `ca` holds only together with the comparison of the content, which
   * every ingest makes.
   * @param url where the narinfo came from, for errors
   * @throws SIGNATURE_MISSING | SIGNATURE_MISMATCH | CONTENT_ADDRESS_MISMATCH
   */
  verify(narInfo: NarInfo, url: string): Verification {
    const verification = this.checkSignatures
      ? requireVerified(narInfo, this.trustedKeys, { url })
      : verifyNarInfo(narInfo, this.trustedKeys);
    switch (verification?.kind) {
      case 'key':
        return { by: 'key', publicKey: String(verification.key) };
      case 'ca':
        return { by: 'ca' };
      case undefined:
        return { by: 'nobody' };
    }
  }

  /**
   * A kept claim in the light of this policy: as it is, or verified anew where it was verified by
   * nobody or by a key that is not trusted here; `undefined` where it is not good enough.
   */
  accept(claim: Claim): Claim | undefined {
    const { verification } = claim;
    const stands =
      verification.by === 'ca' ||
      verification.by === 'uploader' ||
      (verification.by === 'key' && this.#trusted.has(verification.publicKey));
    if (stands) return claim;
    // a CA alone proves nothing here: this claim's content was not compared with it
    const anew = verifyNarInfo({ ...claim, ca: undefined }, this.trustedKeys);
    if (anew?.kind === 'key') {
      return new Claim({ ...claim, verification: { by: 'key', publicKey: String(anew.key) } });
    }
    return this.checkSignatures ? undefined : claim;
  }
}
