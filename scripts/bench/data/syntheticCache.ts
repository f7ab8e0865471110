/**
 * Binary caches that take no room: narinfos and NARs are made when they are asked for.
 *
 * Paths lie in layers, each path refers to some of the layer below, so that the depth of a closure is
 * known. A path is one file; its bytes compress to about a half, as programs do, and are those of no
 * other path.
 */
import { createHash } from 'node:crypto';
import { Hash } from '../../../src/hash.ts';
import { fileHead, fileTail } from '../../../src/nar/framing.ts';
import { fingerprint } from '../../../src/narinfo/fingerprint.ts';
import { renderNarInfo } from '../../../src/narinfo/render.ts';
import { SecretKey } from '../../../src/signature.ts';
import { StorePath } from '../../../src/storePath.ts';

/** What is made. */
export interface SyntheticSpec {
  readonly paths: number;
  /** Layers, at least 1; the first is path 0 alone, which all others are below. */
  readonly layers: number;
  /** Length of each path's file. */
  readonly fileBytes: number;
  /** Signs all narinfos. */
  readonly secretKey: string;
}

/** A file of such a cache. */
export interface SyntheticFile {
  readonly sizeBytes: number;
  pieces(): Iterable<Uint8Array>;
}

/** A cache that is made on demand. */
export interface SyntheticCache {
  /** A file by its path, or `undefined`. */
  file(path: string): SyntheticFile | undefined;
  /** Path 0. */
  readonly root: StorePath;
  /** Of all paths. */
  readonly narBytes: number;
}

const PIECE_BYTES = 256 * 1024;
/** Leaves four bits of each byte: such bytes compress to a half. */
const HALF_OF_EACH_BYTE = 0x0f0f0f0f;
const REFERENCES = 3;
const DIGEST_BYTES = 20;
const NAR_URL = /^nar\/(\d+)\.nar$/;
const NARINFO = /^([0-9a-z]{32})\.narinfo$/;

/** The bytes of one path's file, by xorshift32. */
function* fileBytes(index: number, length: number): Generator<Uint8Array> {
  let state = (index * 0x9e3779b1) | 1;
  for (let done = 0; done < length; done += PIECE_BYTES) {
    const words = new Int32Array(PIECE_BYTES / 4);
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state & HALF_OF_EACH_BYTE;
    }
    yield new Uint8Array(words.buffer, 0, Math.min(PIECE_BYTES, length - done));
  }
}

const NO_NAME = new Uint8Array(0);

function nar(index: number, length: number): SyntheticFile {
  const head = fileHead(NO_NAME, length, false);
  const tail = fileTail(0, length);
  return {
    sizeBytes: head.length + length + tail.length,
    *pieces() {
      yield head;
      yield* fileBytes(index, length);
      yield tail;
    },
  };
}

/** The store path of a number. */
export function syntheticPath(index: number): StorePath {
  const digest = createHash('sha256').update(`narthex benchmark ${index}`).digest();
  return StorePath.of(digest.subarray(0, DIGEST_BYTES), `path-${index}`);
}

/**
 * Numbers of the paths that path `index` refers to. Layers below the first are equally wide, so that
 * every path can be reached: the first refers to all of the second, others to their neighbours below.
 */
export function syntheticReferences(
  index: number,
  { paths, layers }: Pick<SyntheticSpec, 'paths' | 'layers'>,
): number[] {
  const width = Math.ceil((paths - 1) / Math.max(1, layers - 1));
  if (index === 0) return range(1, Math.min(width, paths - 1));
  const place = (index - 1) % width;
  const below = index - place + width;
  const references = new Set<number>();
  for (let i = 0; i < REFERENCES; i++) references.add(below + ((place + i) % width));
  return [...references].filter((reference) => reference < paths);
}

function range(from: number, count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, (_, i) => from + i);
}

/** Makes a cache; its narinfos and NARs are computed when they are asked for. */
export function syntheticCache(spec: SyntheticSpec): SyntheticCache {
  const key = SecretKey.parse(spec.secretKey);
  const { paths } = spec;
  const indexes = new Map(range(0, paths).map((index) => [syntheticPath(index).hashPart, index]));
  const hashes = new Map<number, Hash>();
  const narOf = (index: number) => nar(index, spec.fileBytes);

  const hashOf = (index: number): Hash => {
    let known = hashes.get(index);
    if (known === undefined) {
      const hasher = createHash('sha256');
      for (const piece of narOf(index).pieces()) hasher.update(piece);
      known = Hash.of('sha256', hasher.digest());
      hashes.set(index, known);
    }
    return known;
  };

  const narInfoOf = (index: number): string => {
    const signed = {
      storePath: syntheticPath(index),
      narHash: hashOf(index),
      narSize: narOf(index).sizeBytes,
      references: syntheticReferences(index, spec).map(syntheticPath),
    };
    return renderNarInfo({
      ...signed,
      url: `nar/${index}.nar`,
      compression: 'none',
      fileHash: undefined,
      fileSize: undefined,
      deriver: undefined,
      system: undefined,
      signatures: [key.sign(fingerprint(signed, 'sorted'))],
      ca: undefined,
    });
  };
  // hashing takes longer than sending: not while somebody waits
  for (const index of range(0, paths)) hashOf(index);

  return {
    root: syntheticPath(0),
    narBytes: paths * narOf(0).sizeBytes,
    file(path) {
      if (path === 'nix-cache-info') return textFile('StoreDir: /nix/store\nPriority: 40\n');
      const index = indexes.get(NARINFO.exec(path)?.[1] ?? '');
      if (index !== undefined) return textFile(narInfoOf(index));
      const number = Number(NAR_URL.exec(path)?.[1] ?? Number.NaN);
      return number < paths ? narOf(number) : undefined;
    },
  };
}

function textFile(text: string): SyntheticFile {
  const bytes = Buffer.from(text);
  return { sizeBytes: bytes.length, pieces: () => [bytes] };
}
