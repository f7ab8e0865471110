/** What stages are measured on: some NARs of a closure, in every compression that can be had. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import { xz } from '@napi-rs/lzma';
import { concatBytes } from '../../../src/bytes.ts';
import {
  type Compression,
  decompress,
  parseCompression,
} from '../../../src/compression/compression.ts';
import { COMPRESSIONS } from '../../../src/compression/decoders.ts';
import type { BinaryCache } from '../data/binaryCache.ts';

/** Some NARs. */
export interface StageData {
  readonly nars: readonly Uint8Array[];
  readonly narBytes: number;
  /** Files that hold NARs, by compression; not always all of them. */
  readonly files: ReadonlyMap<Compression, CompressedNars>;
}

/** NARs compressed one by one. */
export interface CompressedNars {
  readonly files: readonly Uint8Array[];
  readonly narBytes: number;
}

/** What compressions that caches do not come in are measured on: some decoders are slow. */
const MADE_BYTES = 8_000_000;
const BROTLI_QUALITY = 5;

type Encode = (bytes: Uint8Array) => Promise<Uint8Array>;

/** A program that compresses standard input. */
function program(name: string, ...args: readonly string[]): Encode {
  return async (bytes) => {
    const child = spawn(name, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'close');
    // a program that is not there is told below, when `ended` is waited for
    ended.catch(() => {});
    child.stdin.on('error', () => {});
    child.stdin.end(bytes);
    const pieces: Uint8Array[] = [];
    for await (const piece of child.stdout) pieces.push(piece);
    const [code] = await ended;
    if (code !== 0) throw new Error(`${name}: exit ${code}`);
    return concatBytes(pieces);
  };
}

const ENCODERS: Readonly<Record<Compression, Encode>> = {
  none: async (bytes) => bytes,
  xz: (bytes) => xz.compress(bytes),
  zstd: (bytes) => promisify(zstdCompress)(bytes),
  gzip: (bytes) => promisify(gzip)(bytes),
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY },
    }),
  bzip2: program('bzip2'),
  lz4: program('lz4', '-c'),
  lzma: program('xz', '--format=lzma', '-c'),
  lzip: program('lzip', '-c'),
};

/**
 * Makes data of NARs.
 * @param known files in the compressions that need not be made
 * @param say told which compressions cannot be had here
 */
export async function stageData(
  nars: readonly Uint8Array[],
  known: ReadonlyMap<Compression, readonly Uint8Array[]>,
  say: (line: string) => void,
): Promise<StageData> {
  const narBytes = totalBytes(nars);
  const files = new Map<Compression, CompressedNars>();
  const few = firstBytes(nars, MADE_BYTES);
  for (const compression of COMPRESSIONS) {
    const given = known.get(compression);
    if (given !== undefined) {
      files.set(compression, { files: given, narBytes });
      continue;
    }
    try {
      const made = await Promise.all(few.map(ENCODERS[compression]));
      files.set(compression, { files: made, narBytes: totalBytes(few) });
    } catch (error) {
      say(
        `decoding ${compression} is not measured: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  return { nars, narBytes, files };
}

/** Data of some NARs of a closure. @param bytes about how much */
export async function stageDataOf(
  caches: readonly BinaryCache[],
  bytes: number,
  say: (line: string) => void,
): Promise<StageData> {
  const [first] = caches;
  if (first === undefined) throw new TypeError('there is no cache');
  const chosen = chooseNars(first, bytes);
  const files = new Map<Compression, Uint8Array[]>();
  for (const cache of caches) {
    const urls = new Map(cache.narInfos.map(({ storePath, url }) => [storePath.absolute, url]));
    const contents = chosen.map((path) => readFile(join(cache.directory, urls.get(path) ?? '')));
    files.set(parseCompression(cache.compression), await Promise.all(contents));
  }
  const compression = parseCompression(first.compression);
  const nars = await Promise.all(
    (files.get(compression) ?? []).map((file) => decodeAll(compression, file)),
  );
  return await stageData(nars, files, say);
}

/** Store paths of about so many bytes of NAR, in the order of their hash parts: as good as random. */
function chooseNars({ narInfos }: BinaryCache, bytes: number): string[] {
  const chosen: string[] = [];
  let left = bytes;
  const shuffled = narInfos.toSorted((a, b) =>
    a.storePath.hashPart < b.storePath.hashPart ? -1 : 1,
  );
  for (const { storePath, narSize } of shuffled) {
    if (narSize > left && chosen.length > 0) continue;
    chosen.push(storePath.absolute);
    left -= narSize;
  }
  return chosen;
}

/** All that a file decodes to. */
export async function decodeAll(compression: Compression, file: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const options = { maxOutputBytes: Number.MAX_SAFE_INTEGER };
  for await (const piece of decompress(compression, pieceByPiece(file), options))
    pieces.push(piece);
  return concatBytes(pieces);
}

/** What comes over a network comes in pieces of about this. */
const PIECE_BYTES = 64 * 1024;

/** The bytes as they would come from an upstream. */
export async function* pieceByPiece(
  bytes: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function totalBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** The first NARs, as many as are in so many bytes, but at least one. */
function firstBytes(nars: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  return nars.filter(({ length }, index) => {
    const fits = index === 0 || length <= left;
    if (fits) left -= length;
    return fits;
  });
}
