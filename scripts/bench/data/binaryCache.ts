/** What lies in the directory of a binary cache. */
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NarInfo } from '../../../src/narinfo/narinfo.ts';
import { parseNarInfo } from '../../../src/narinfo/parse.ts';
import { BenchError } from '../benchError.ts';

/** A binary cache in a directory. */
export interface BinaryCache {
  readonly directory: string;
  readonly publicKey: string;
  readonly compression: string;
  readonly narInfos: readonly NarInfo[];
  /** The store paths that no other one refers to. */
  readonly roots: readonly string[];
  /** Sum of the NarSizes. */
  readonly narBytes: number;
  /** Sum of the sizes of the files that hold the NARs. */
  readonly fileBytes: number;
}

const READ_BYTES = 1024 * 1024;

/**
 * Reads a cache's narinfos, and its NARs once, so that they lie in the memory of the system.
 * @throws BenchError there is none, or its paths are compressed in different ways
 */
export async function readBinaryCache(directory: string, publicKey: string): Promise<BinaryCache> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.narinfo'));
  const narInfos: NarInfo[] = [];
  for (const name of names) {
    narInfos.push(parseNarInfo(await readFile(join(directory, name)), { url: name }));
  }
  const compressions = [...new Set(narInfos.map(({ compression }) => compression))];
  const [compression] = compressions;
  if (compression === undefined || compressions.length > 1) {
    const found = compressions.join(', ') || 'no paths';
    throw new BenchError(`${directory}: a cache of one compression is needed, this has ${found}`);
  }
  let fileBytes = 0;
  for (const url of new Set(narInfos.map(({ url }) => url))) {
    const path = join(directory, url);
    for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
      fileBytes += piece.length;
    }
  }
  const referred = new Set(
    narInfos.flatMap(({ storePath, references }) =>
      references.filter((path) => !path.equals(storePath)).map(({ absolute }) => absolute),
    ),
  );
  const roots = narInfos
    .map(({ storePath }) => storePath.absolute)
    .filter((path) => !referred.has(path));
  const narBytes = narInfos.reduce((sum, { narSize }) => sum + narSize, 0);
  return { directory, publicKey, compression, narInfos, roots, narBytes, fileBytes };
}
