/** What a narinfo says, parsed: the claim of an upstream about one store path. */
import type { Hash } from '../hash.ts';
import type { Signature } from '../signature.ts';
import type { StorePath } from '../storePath.ts';
import type { ContentAddress } from './contentAddress.ts';

/** The compression that a narinfo without one means, for it is the oldest. */
export const DEFAULT_COMPRESSION = 'bzip2';

/** A narinfo. `parseNarInfo` makes one from its text, `renderNarInfo` writes it again. */
export interface NarInfo {
  readonly storePath: StorePath;
  /** Where the NAR lies: relative to the cache or absolute, maybe with a query. Not empty. */
  readonly url: string;
  /** The name as given, known or not; {@link DEFAULT_COMPRESSION} where it is missing or empty. */
  readonly compression: string;
  /** Of the compressed file, by any algorithm. */
  readonly fileHash: Hash | undefined;
  /** Of the compressed file, in bytes. A size of 0 means none, as in Nix. */
  readonly fileSize: number | undefined;
  /** SHA-256 of the NAR. */
  readonly narHash: Hash;
  /** Length of the NAR in bytes, more than 0. */
  readonly narSize: number;
  /** In the order given, repetitions kept: old signatures verify only so. */
  readonly references: readonly StorePath[];
  /** The derivation that built it; not always a `.drv`. */
  readonly deriver: StorePath | undefined;
  readonly system: string | undefined;
  /** In the order given. */
  readonly signatures: readonly Signature[];
  readonly ca: ContentAddress | undefined;
}
