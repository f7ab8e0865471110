/** `.ls` files: what is taken is rendered, and then means the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { parseListing, renderListing } from '../../../src/nar/listing.ts';
import { fixtureCache } from '../../support/fixtureCache.ts';
import { agree, pureTarget } from '../target.ts';

const { directory } = fixtureCache;
const LIMITS = { ...DEFAULT_LIMITS, narDepth: 70, narEntries: 400, directoryEntries: 200 };
const WORDS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"type":"directory"',
  '"entries":{',
  '"type":"regular","size":',
  '"executable":true',
  '"narOffset":',
  '"target":"',
  '"version":1',
  '"root":',
  'null',
  '1e9',
  '-0',
  '"__proto__":',
  '\\u0000',
  '\\ud800',
  '\\u002e\\u002e',
  '""',
  '"..":',
  '"a/b":',
];

export const listingTarget = () =>
  pureTarget({
    name: 'listing',
    seeds: [
      ...readdirSync(directory)
        .filter((name) => name.endsWith('.ls'))
        .map((name) => readFileSync(join(directory, name))),
      utf8('{"version":1,"root":{"type":"symlink","target":"x"}}'),
    ].filter(({ length }) => length < 6000),
    words: [...WORDS.map(utf8), Uint8Array.of(0xff), Uint8Array.of(0xef, 0xbb, 0xbf)],
    run(input) {
      const rendered = renderListing(parseListing(input, { limits: LIMITS }));
      agree('rendered again', rendered, renderListing(parseListing(rendered, { limits: LIMITS })));
      return 'taken';
    },
  });
