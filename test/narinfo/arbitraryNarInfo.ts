/** Any narinfo, store path or content address that there can be, for property tests. */
import fc from 'fast-check';
import { HASH_BYTES, Hash, type HashAlgorithm } from '../../src/hash.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { Signature } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';

const NAME_CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._?=';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** The names that store paths may have. */
export const arbitraryStorePathName: fc.Arbitrary<string> = fc
  .string({ unit: fc.constantFrom(...NAME_CHARACTERS), minLength: 1, maxLength: 211 })
  .filter((name) => !/^\.\.?(-|$)/.test(name));

export const arbitraryStorePath: fc.Arbitrary<StorePath> = fc
  .tuple(bytes(20), arbitraryStorePathName)
  .map(([digest, name]) => StorePath.of(digest, name));

const hashBy = (algorithm: HashAlgorithm) =>
  bytes(HASH_BYTES[algorithm]).map((digest) => Hash.of(algorithm, digest));

export const arbitraryHash: fc.Arbitrary<Hash> = fc
  .constantFrom<HashAlgorithm>('md5', 'sha1', 'sha256', 'sha512', 'blake3')
  .chain(hashBy);

export const arbitraryContentAddress: fc.Arbitrary<ContentAddress> = fc.oneof(
  hashBy('sha256').map((hash) => ContentAddress.of('text', hash)),
  arbitraryHash.map((hash) => ContentAddress.of('flat', hash)),
  arbitraryHash.map((hash) => ContentAddress.of('recursive', hash)),
  fc.oneof(hashBy('sha1'), hashBy('sha256')).map((hash) => ContentAddress.of('git', hash)),
);

const lineText = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed());

const keyName = lineText.filter((text) => !/[:\s]/.test(text));

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const size = fc.integer({ min: 1, max: 2 ** 40 });

export const arbitraryNarInfo: fc.Arbitrary<NarInfo> = fc.record({
  storePath: arbitraryStorePath,
  url: lineText,
  compression: fc.oneof(fc.constantFrom('none', 'xz', 'zstd', 'bzip2'), lineText),
  fileHash: optional(arbitraryHash),
  fileSize: optional(size),
  narHash: hashBy('sha256'),
  narSize: size,
  references: fc.array(arbitraryStorePath, { maxLength: 5 }),
  deriver: optional(arbitraryStorePath),
  system: optional(lineText),
  signatures: fc.array(
    fc.tuple(keyName, bytes(64)).map(([name, signature]) => Signature.of(name, signature)),
    { maxLength: 3 },
  ),
  ca: optional(arbitraryContentAddress),
});
