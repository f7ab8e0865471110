/** The files of some closures, in memory: what chunking and compressing at rest are tried on. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NarParser } from '../../../src/nar/parser.ts';
import { BenchError } from '../benchError.ts';
import type { CacheSet } from '../data/closures.ts';

/** A file that is not empty. */
export interface CorpusFile {
  /** Where it lies, without the versions in names: the same for all versions of a file. */
  readonly place: string;
  readonly contents: Uint8Array;
  /** The NAR that it is in, by number. */
  readonly nar: number;
}

/** Some closures. */
export interface Corpus {
  readonly files: readonly CorpusFile[];
  readonly narBytes: number;
  /** What the same NARs take in caches that are compressed with `zstd -3`, one by one. */
  readonly zstdBytes: number;
}

/** @throws BenchError the closures are not there both uncompressed and compressed with zstd */
export async function readCorpus(sets: readonly CacheSet[]): Promise<Corpus> {
  const files: CorpusFile[] = [];
  let narBytes = 0;
  let zstdBytes = 0;
  let nars = 0;
  for (const set of sets) {
    const none = set.find(({ compression }) => compression === 'none');
    const zstd = set.find(({ compression }) => compression === 'zstd');
    if (none === undefined || zstd === undefined) {
      throw new BenchError('parameters are measured on caches none and zstd of the same closure');
    }
    narBytes += none.narBytes;
    zstdBytes += zstd.fileBytes;
    for (const { storePath, url } of none.narInfos) {
      const nar = await readFile(join(none.directory, url));
      files.push(...filesOf(nar, storePath.name, nars++));
    }
  }
  return { files, narBytes, zstdBytes };
}

function filesOf(nar: Uint8Array, root: string, number: number): CorpusFile[] {
  const files: CorpusFile[] = [];
  const names: string[] = [];
  let size = 0;
  const parser: NarParser = new NarParser({
    startDirectory: (name) => names.push(Buffer.from(name).toString('latin1')),
    endDirectory: () => names.pop(),
    startFile(name, sizeBytes) {
      names.push(Buffer.from(name).toString('latin1'));
      size = sizeBytes;
      if (size === 0) return;
      const contents = nar.subarray(parser.offset, parser.offset + size);
      files.push({ place: placeOf([root, ...names]), contents, nar: number });
    },
    fileData() {},
    endFile: () => names.pop(),
    symlink() {},
  });
  parser.push(nar);
  parser.end();
  return files;
}

function placeOf([root = '', ...names]: readonly string[]): string {
  const packageName = root.replace(/-[^-]*[0-9].*$/, '');
  return [packageName, ...names].join('/').replace(/[0-9][0-9.]*/g, '#');
}
