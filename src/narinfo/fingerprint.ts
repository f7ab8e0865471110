/**
 * What a narinfo's signatures are made over (Nix: `ValidPathInfo::fingerprint`):
 *
 *     1;/nix/store/<base name>;sha256:<nixbase32>;<NarSize>;<reference>,<reference>,…
 *
 * with absolute store paths. URL, compression, deriver and CA are not part of it. Nix sorts the
 * references, each once; yet signatures exist, also of cache.nixos.org, that were made over another
 * order and verify only over the one that the narinfo gives.
 */
import { utf8 } from '../bytes.ts';
import type { Hash } from '../hash.ts';
import type { StorePath } from '../storePath.ts';
import { sortedReferences } from './references.ts';

/** What signatures cover. */
export interface Signed {
  readonly storePath: StorePath;
  /** SHA-256 of the NAR. */
  readonly narHash: Hash;
  /** Length of the NAR in bytes. */
  readonly narSize: number;
  readonly references: readonly StorePath[];
}

/** `given`: as they are, repetitions too. `sorted`: by base name, each once, as Nix signs. */
export type ReferenceOrder = 'given' | 'sorted';

/** The bytes to sign or to verify. Sign the `sorted` ones. */
export function fingerprint(signed: Signed, order: ReferenceOrder = 'given'): Uint8Array {
  const references = order === 'sorted' ? sortedReferences(signed.references) : signed.references;
  return utf8(
    [
      '1',
      signed.storePath.absolute,
      signed.narHash.toNixbase32(),
      signed.narSize,
      references.map(({ absolute }) => absolute).join(','),
    ].join(';'),
  );
}
