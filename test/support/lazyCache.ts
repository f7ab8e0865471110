/**
 * A binary cache of any number of paths that takes no memory: each narinfo and NAR is made when it
 * is asked for. Paths have numbers, which their store path digests contain.
 */
import { fingerprint } from './narinfoText.ts';
import { bytesOfNixbase32, nixbase32, STORE_DIRECTORY, sha256, sha256Field } from './nixbase32.ts';
import type { SigningKey } from './signingKey.ts';
import { cacheInfo, TEST_KEY } from './syntheticCache.ts';
import { encodeNar, file, type SyntheticTree } from './syntheticTree.ts';

/** What makes a lazy cache. */
export interface LazyCacheOptions {
  /** Paths are numbered from 0 up to this, exclusive. */
  readonly count: number;
  /** Numbers of the paths that a path refers to. */
  readonly references: (index: number) => readonly number[];
  /** By default a small file, another one for each path. NARs are not compressed. */
  readonly tree?: (index: number) => SyntheticTree;
  /** Default {@link TEST_KEY}. */
  readonly key?: SigningKey;
}

/** A cache to hand to `serveStatic`. */
export interface LazyCache {
  readonly source: (path: string) => Uint8Array | undefined;
  /** For `trusted-public-keys`. */
  readonly publicKey: string;
  /** Full store path of a number. */
  storePath(index: number): string;
}

const PREFIX = sha256('narthex lazy cache').subarray(0, 16);
const INDEX_BYTES = 4;
const DIGEST_BYTES = PREFIX.length + INDEX_BYTES;
const REQUEST = /^(?<hashPart>[0-9a-z]{32})\.narinfo$|^nar\/(?<index>[0-9]+)\.nar$/;

function hashPart(index: number): string {
  const digest = Buffer.alloc(DIGEST_BYTES);
  PREFIX.copy(digest);
  digest.writeUInt32BE(index, PREFIX.length);
  return nixbase32(digest);
}

function indexOf(hashPart: string): number | undefined {
  const digest = bytesOfNixbase32(hashPart, DIGEST_BYTES);
  if (digest === undefined || !PREFIX.equals(digest.subarray(0, PREFIX.length))) return undefined;
  return Buffer.from(digest).readUInt32BE(PREFIX.length);
}

/** Makes a cache whose paths are computed. */
export function lazyCache(options: LazyCacheOptions): LazyCache {
  const { count, references, key = TEST_KEY } = options;
  const tree = options.tree ?? ((index) => file(`path ${index}\n`));
  const storePath = (index: number) => `${STORE_DIRECTORY}/${hashPart(index)}-path-${index}`;
  const narinfo = (index: number) => {
    const nar = encodeNar(tree(index));
    const narHash = sha256Field(nar);
    const paths = references(index).map(storePath).sort();
    const baseNames = paths.map((path) => path.slice(STORE_DIRECTORY.length + 1));
    const message = fingerprint(storePath(index), narHash, String(nar.length), paths);
    return [
      `StorePath: ${storePath(index)}`,
      `URL: nar/${index}.nar`,
      'Compression: none',
      `NarHash: ${narHash}`,
      `NarSize: ${nar.length}`,
      `References: ${baseNames.join(' ')}`,
      `Sig: ${key.sign(message)}`,
      '',
    ].join('\n');
  };
  const encoder = new TextEncoder();
  return {
    publicKey: key.publicKey,
    storePath,
    source(path) {
      if (path === 'nix-cache-info') return encoder.encode(cacheInfo());
      const { hashPart: digest, index: number } = REQUEST.exec(path)?.groups ?? {};
      const index = digest === undefined ? Number(number) : indexOf(digest);
      if (index === undefined || !(index < count)) return undefined;
      return digest === undefined ? encodeNar(tree(index)) : encoder.encode(narinfo(index));
    },
  };
}

/** A chain: each path refers to the next one, the last to none. Its top is path 0. */
export function lazyChain(count: number): LazyCache {
  return lazyCache({ count, references: (index) => (index + 1 < count ? [index + 1] : []) });
}

/** A diamond: path 0 refers to `width` paths, and each of them to the last. */
export function lazyDiamond(width: number): LazyCache {
  const middle = Array.from({ length: width }, (_, index) => index + 1);
  const bottom = width + 1;
  return lazyCache({
    count: width + 2,
    references: (index) => (index === 0 ? middle : index === bottom ? [] : [bottom]),
  });
}

/** A cycle, which no signature forbids: each path refers to the next, the last to path 0. */
export function lazyCycle(count: number): LazyCache {
  return lazyCache({ count, references: (index) => [(index + 1) % count] });
}
