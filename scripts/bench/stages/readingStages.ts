/** The stages from the file of a NAR to castore content. */
import { CutFinder } from '../../../src/castore/chunker.ts';
import { Digest, DigestHasher } from '../../../src/castore/digest.ts';
import { decompress } from '../../../src/compression/compression.ts';
import { DECODERS } from '../../../src/compression/decoders.ts';
import { createStreamingHash } from '../../../src/hash.ts';
import { CastoreBuilder } from '../../../src/ingest/castoreBuilder.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { type NarHandler, NarParser } from '../../../src/nar/parser.ts';
import type { Stage } from './stage.ts';
import { pieceByPiece, type StageData } from './stageData.ts';

/** As decoders give it. */
const PIECE_BYTES = 256 * 1024;

/** The stage that finds structure, chunks and digests in a NAR: all of it but the NarHash. */
export const BUILD_STAGE = 'NAR → castore content';
export const NAR_HASH_STAGE = 'NarHash (SHA-256)';
/** The name of the stage that decodes a compression. */
export const decodeStage = (compression: string) => `decode ${compression}`;

function* pieces(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** A handler that wants to know nothing. */
const IGNORE: NarHandler = {
  startDirectory() {},
  endDirectory() {},
  startFile() {},
  fileData() {},
  endFile() {},
  symlink() {},
};

/** Decoders, each by its library. */
export function decodeStages({ files }: StageData): Stage[] {
  return Array.from(files, ([compression, { files: compressed, narBytes }]) => ({
    name: `${decodeStage(compression)} (${DECODERS[compression].name})`,
    narBytes,
    async run() {
      for (const file of compressed) {
        const options = { maxOutputBytes: Number.MAX_SAFE_INTEGER };
        // asked for and dropped
        for await (const _ of decompress(compression, pieceByPiece(file), options));
      }
    },
  }));
}

/** What is done to the bytes of NARs. */
export function narStages({ nars, narBytes }: StageData): Stage[] {
  const stage = (name: string, each: (nar: Uint8Array) => void): Stage => ({
    name,
    narBytes,
    run() {
      for (const nar of nars) each(nar);
    },
  });
  return [
    stage(NAR_HASH_STAGE, (nar) => {
      const hasher = createStreamingHash('sha256');
      for (const piece of pieces(nar)) hasher.update(piece);
      hasher.digest();
    }),
    stage('BLAKE3 of blobs', (nar) => {
      const hasher = new DigestHasher();
      for (const piece of pieces(nar)) hasher.update(piece);
      hasher.finish();
    }),
    stage('cut into chunks', (nar) => {
      for (const _ of chunksOf(nar));
    }),
    stage('BLAKE3 of chunks', (nar) => {
      for (let at = 0; at < nar.length; at += CHUNK_BYTES) {
        Digest.of(nar.subarray(at, at + CHUNK_BYTES));
      }
    }),
    stage('parse NAR', (nar) => {
      parse(nar, IGNORE);
    }),
    stage(BUILD_STAGE, (nar) => {
      const builder = new CastoreBuilder(nar.length);
      parse(nar, builder, () => builder.takeFull());
      builder.take();
    }),
  ];
}

/** The average that the chunker aims at. */
const CHUNK_BYTES = 64 * 1024;

function parse(nar: Uint8Array, handler: NarHandler, after: () => void = () => {}): void {
  const parser = new NarParser(handler, { limits: DEFAULT_LIMITS, narSizeBytes: nar.length });
  for (const piece of pieces(nar)) {
    parser.push(piece);
    after();
  }
  parser.end();
}

/** The chunks of a NAR as if it were one blob. */
export function* chunksOf(nar: Uint8Array): Generator<Uint8Array, void, undefined> {
  const finder = new CutFinder();
  for (let at = 0; at < nar.length; ) {
    const length = finder.find(nar, at, nar.length) || nar.length - at;
    yield nar.subarray(at, at + length);
    at += length;
  }
}
