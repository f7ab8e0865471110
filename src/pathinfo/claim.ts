/** What an upstream says about a store path, and how narthex came to believe it. */
import { NarthexError } from '../errors.ts';
import type { Hash } from '../hash.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { ContentAddress } from '../narinfo/contentAddress.ts';
import type { Signature } from '../signature.ts';
import type { StorePath } from '../storePath.ts';

/** How a claim was verified. */
export type Verification =
  /** A signature by this trusted key (`name:base64`) verifies. */
  | { readonly by: 'key'; readonly publicKey: string }
  /** The content address agrees with content and store path. */
  | { readonly by: 'ca' }
  /** An uploader with this name was authorised to say so. */
  | { readonly by: 'uploader'; readonly uploader: string }
  /** Nobody verified it: signature checks were switched off. */
  | { readonly by: 'nobody' };

/** The fields of a {@link Claim}. */
export interface ClaimFields {
  readonly storePath: StorePath;
  /** SHA-256 of the NAR. */
  readonly narHash: Hash;
  /** Length of the NAR in bytes, at least 1. */
  readonly narSize: number;
  /** In the order given: old signatures verify only so. Repetitions are kept. */
  readonly references: readonly StorePath[];
  readonly signatures: readonly Signature[];
  readonly deriver: StorePath | undefined;
  readonly ca: ContentAddress | undefined;
  /** Base URL of the upstream that it came from, without credentials. */
  readonly origin: string | undefined;
  readonly verification: Verification;
}

/**
 * Signatures that a claim may gather when claims are united: as many as a narinfo may have, so that
 * what is kept can always be served.
 */
const MOST_SIGNATURES = DEFAULT_LIMITS.narinfoSignatures;

/** A claim about a store path. Valid once constructed. */
export class Claim implements ClaimFields {
  readonly storePath: StorePath;
  readonly narHash: Hash;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly signatures: readonly Signature[];
  readonly deriver: StorePath | undefined;
  readonly ca: ContentAddress | undefined;
  readonly origin: string | undefined;
  readonly verification: Verification;

  /** @throws PATH_INFO_INVALID with the `field` */
  constructor(fields: ClaimFields) {
    const refuse = (field: string, message: string, actual: string | number) =>
      new NarthexError('PATH_INFO_INVALID', `${fields.storePath.absolute}: ${message}`, {
        storePath: fields.storePath.absolute,
        field,
        actual,
      });
    if (fields.narHash.algorithm !== 'sha256') {
      throw refuse('narHash', 'the NarHash is not SHA-256', fields.narHash.algorithm);
    }
    if (!Number.isSafeInteger(fields.narSize) || fields.narSize < 1) {
      throw refuse('narSize', 'the NarSize is not a whole number above 0', fields.narSize);
    }
    this.storePath = fields.storePath;
    this.narHash = fields.narHash;
    this.narSize = fields.narSize;
    this.references = fields.references;
    this.signatures = fields.signatures;
    this.deriver = fields.deriver;
    this.ca = fields.ca;
    this.origin = fields.origin;
    this.verification = fields.verification;
  }

  /** Whether anything vouches for it. */
  get verified(): boolean {
    return this.verification.by !== 'nobody';
  }

  /**
   * One claim out of two about the same content: that of the verified one, or else this one, with
   * signatures united as far as there is room, and deriver and CA filled in where it has none.
   */
  unitedWith(other: Claim): Claim {
    const better = !this.verified && other.verified;
    const [first, second] = better ? [other, this] : [this, other];
    const known = new Set(this.signatures.map(String));
    const room = Math.max(0, MOST_SIGNATURES - this.signatures.length);
    const added = other.signatures
      .filter((signature) => !known.has(String(signature)))
      .slice(0, room);
    const deriver = first.deriver ?? second.deriver;
    const ca = first.ca ?? second.ca;
    if (!better && added.length === 0 && deriver === this.deriver && ca === this.ca) return this;
    // also the order of the references is that of the verified one: its signatures are over that
    return new Claim({ ...first, signatures: [...this.signatures, ...added], deriver, ca });
  }
}
