/** Zip files: nothing is read from outside, and what is read is as long as it was said to be. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '../../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { ZipArchive } from '../../../src/upstream/zipArchive.ts';
import { zipCacheFiles } from '../../support/cacheFiles.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { agree, Disagreement, type FuzzTarget } from '../target.ts';

const LIMITS = { ...DEFAULT_LIMITS, zipEntries: 20 };
const FILES = new Map([
  ['nix-cache-info', utf8('StoreDir: /nix/store\n')],
  ['nar/x.nar', new Uint8Array(3000)],
]);
const WORDS = [
  'PK\x01\x02',
  'PK\x03\x04',
  'PK\x05\x06',
  'PK\x06\x06',
  'PK\x06\x07',
  '../',
  '\0',
  '\xff\xff\xff\xff',
  '\x08\0',
  '\x01\0',
];
const MAX_READ_BYTES = 1024 * 1024;

export async function zipTarget(): Promise<FuzzTarget> {
  const directory = await temporaryDirectory('fuzz');
  const file = join(directory.path, 'x.zip');
  return {
    name: 'zip',
    seeds: [zipCacheFiles(FILES), zipCacheFiles(FILES, { prefix: 'cache/' })],
    words: WORDS.map((word) => Buffer.from(word, 'latin1')),
    async run(input) {
      await writeFile(file, input);
      await using archive = await ZipArchive.open(file, file, LIMITS);
      for (const name of archive.names()) {
        if (/^\/|(^|\/)\.\.(\/|$)|\0/.test(name))
          throw new Disagreement(`has ${JSON.stringify(name)}`);
        const sizeBytes = archive.sizeBytes(name) ?? 0;
        if (sizeBytes > MAX_READ_BYTES) continue;
        let read = 0;
        for await (const chunk of archive.read(name, file)) read += chunk.length;
        agree('its length', sizeBytes, read);
      }
      return 'taken';
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
