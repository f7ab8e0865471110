/** narinfos and nix-cache-infos: what is taken is rendered, and then means the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../../../src/bytes.ts';
import { parseCacheInfo, renderCacheInfo } from '../../../src/narinfo/cacheInfo.ts';
import { parseNarInfo } from '../../../src/narinfo/parse.ts';
import { renderNarInfo } from '../../../src/narinfo/render.ts';
import { verifyNarInfo } from '../../../src/narinfo/verify.ts';
import { PublicKey } from '../../../src/signature.ts';
import { fixtureCache } from '../../support/fixtureCache.ts';
import { agree, pureTarget } from '../target.ts';

const { directory } = fixtureCache;
const KEYS = [PublicKey.parse(fixtureCache.publicKey)];

/** The narinfos of the fixture but for the longest. */
export function sampleNarInfos(): Buffer[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.narinfo'))
    .map((name) => readFileSync(join(directory, name)))
    .filter(({ length }) => length < 1000);
}

const FIELDS = [
  'StorePath: ',
  'URL: ',
  'Compression: none\n',
  'Compression: \n',
  'FileHash: sha256:',
  'FileSize: ',
  'NarHash: sha256-',
  'NarSize: ',
  'References: ',
  'Deriver: unknown-deriver\n',
  'Sig: ',
  'CA: fixed:r:sha256:',
  'CA: text:sha256:',
  'System: x86_64-linux\n',
  '/nix/store/',
  '1maqxvn271a42jggw23w1anxdnraf761-text',
  '\n',
  '\r\n',
  ': ',
  '%2e%2e/',
  '\ufeff',
];

export const narInfoTarget = () =>
  pureTarget({
    name: 'narinfo',
    seeds: sampleNarInfos(),
    words: FIELDS.map(utf8),
    run(input) {
      const info = parseNarInfo(input);
      const rendered = renderNarInfo(info);
      agree('rendered again', rendered, renderNarInfo(parseNarInfo(utf8(rendered))));
      return verifyNarInfo(info, KEYS) === undefined ? 'taken, not verified' : 'verified';
    },
  });

export const cacheInfoTarget = () =>
  pureTarget({
    name: 'nix-cache-info',
    seeds: [
      readFileSync(join(directory, 'nix-cache-info')),
      utf8('StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n'),
    ],
    words: ['StoreDir: ', 'WantMassQuery: ', 'Priority: ', '-1', ':', '\n', '/gnu/store'].map(utf8),
    run(input) {
      const rendered = renderCacheInfo(parseCacheInfo(input));
      agree('rendered again', rendered, renderCacheInfo(parseCacheInfo(utf8(rendered))));
      return 'taken';
    },
  });
