/** What other ways to compress chunks would save, all of which keep that equal chunks are stored once. */
import { constants, zstdCompressSync } from 'node:zlib';
import { bytesAtRest, type NewChunk } from './chunks.ts';
import type { CorpusFile } from './corpus.ts';

const KIB = 1024;
const SMALL_BYTES = 16 * KIB;
/** As much before and behind the same place of another version is looked at. */
const AROUND_BYTES = 128 * KIB;

/** One of them: what chunks take at rest. */
export interface Idea {
  readonly name: string;
  bytesOf(chunks: readonly NewChunk[], level: number): number;
}

/** Neighbours in one NAR in a frame together. */
function framesOf(most: number, isGrouped: (chunk: NewChunk) => boolean): Idea['bytesOf'] {
  return (chunks, level) => {
    let total = 0;
    let frame: NewChunk[] = [];
    let length = 0;
    const finish = () => {
      total += bytesAtRest(Buffer.concat(frame.map(({ bytes }) => bytes)), level);
      frame = [];
      length = 0;
    };
    for (const chunk of chunks) {
      if (!isGrouped(chunk)) {
        total += bytesAtRest(chunk.bytes, level);
        continue;
      }
      const isOther = frame[0] !== undefined && frame[0].file.nar !== chunk.file.nar;
      if (isOther || length + chunk.bytes.length > most) finish();
      frame.push(chunk);
      length += chunk.bytes.length;
    }
    finish();
    return total;
  };
}

/** Each with something as its dictionary, where that makes it smaller. */
function withDictionary(
  dictionaryOf: (chunk: NewChunk) => Uint8Array | undefined,
): Idea['bytesOf'] {
  return (chunks, level) =>
    chunks.reduce((sum, chunk) => {
      const alone = bytesAtRest(chunk.bytes, level);
      const dictionary = dictionaryOf(chunk);
      if (dictionary === undefined) return sum + alone;
      const params = { [constants.ZSTD_c_compressionLevel]: level };
      const { length } = zstdCompressSync(chunk.bytes, { dictionary, params });
      return sum + Math.min(alone, length);
    }, 0);
}

/** The same place in the file as it was in another version that came before. */
function olderVersions(chunks: readonly NewChunk[]): (chunk: NewChunk) => Uint8Array | undefined {
  const first = new Map<string, CorpusFile>();
  for (const { file } of chunks) if (!first.has(file.place)) first.set(file.place, file);
  return ({ file, bytes, offset }) => {
    const older = first.get(file.place);
    if (older === undefined || older.nar === file.nar) return undefined;
    const at = Math.round((offset * older.contents.length) / file.contents.length);
    return older.contents.subarray(
      Math.max(0, at - AROUND_BYTES),
      at + bytes.length + AROUND_BYTES,
    );
  };
}

export const IDEAS: readonly Idea[] = [
  {
    name: 'small chunks in frames of 256 KiB',
    bytesOf: framesOf(256 * KIB, ({ bytes }) => bytes.length <= SMALL_BYTES),
  },
  { name: 'neighbours in frames of 128 KiB', bytesOf: framesOf(128 * KIB, () => true) },
  { name: 'neighbours in frames of 256 KiB', bytesOf: framesOf(256 * KIB, () => true) },
  { name: 'neighbours in frames of 1 MiB', bytesOf: framesOf(1024 * KIB, () => true) },
  {
    name: 'the chunk before as dictionary',
    bytesOf: withDictionary(({ previous }) => previous),
  },
  {
    name: 'the same place of an older version as dictionary',
    bytesOf: (chunks, level) => withDictionary(olderVersions(chunks))(chunks, level),
  },
];
