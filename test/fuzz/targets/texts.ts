/**
 * Everything that reads a line of text: the first byte of an input chooses, the rest is the text. What is
 * taken is written, and then means the same.
 */

import { readFileSync } from 'node:fs';
import { decodeBase64, encodeBase64 } from '../../../src/base64.ts';
import { utf8 } from '../../../src/bytes.ts';
import { infusedNarUrl, parseInfusedNarUrl } from '../../../src/castore/infusedNarUrl.ts';
import { parsePlace } from '../../../src/cli/options.ts';
import { Hash } from '../../../src/hash.ts';
import { ContentAddress } from '../../../src/narinfo/contentAddress.ts';
import { decodeNixbase32, encodeNixbase32 } from '../../../src/nixbase32.ts';
import { PublicKey, parsePublicKeys, SecretKey, Signature } from '../../../src/signature.ts';
import { parseHashPart, parseStorePathQuery, StorePath } from '../../../src/storePath.ts';
import { UploadTokens } from '../../../src/uploadTokens.ts';
import { cacheFilePath } from '../../../src/upstream/cacheFilePath.ts';
import { AddressGuard } from '../../../src/upstream/http/addressGuard.ts';
import { BaseUrl } from '../../../src/upstream/http/baseUrl.ts';
import { contentEncodings } from '../../../src/upstream/http/contentEncoding.ts';
import { parseOrigin } from '../../../src/upstream/http/narOrigins.ts';
import { netrcEntry } from '../../../src/upstream/http/netrc.ts';
import { retryAfterMs } from '../../../src/upstream/http/retry.ts';
import { fixtureCache } from '../../support/fixtureCache.ts';
import { agree, Disagreement, pureTarget } from '../target.ts';

/** Parses, writes, and does both again. */
function both<T>(parse: (text: string) => T, write: (value: T) => string) {
  return (text: string) => {
    const written = write(parse(text));
    agree('written again', written, write(parse(written)));
  };
}

/** Where a narinfo's URL leads stays below the cache, or at its origin. */
function resolved(text: string): void {
  const base = new BaseUrl('https://user:secret@cache.example/team/?token=secret');
  const url = base.resolve(text);
  new AddressGuard(base.host).check(url);
  const isElsewhere = url.origin !== base.origin;
  if (isElsewhere && (url.href.includes('secret') || base.authorizationFor(url) !== undefined)) {
    if (!text.includes('secret')) throw new Disagreement(`credentials go to ${url.href}`);
  }
}

const unpadded = (text: string) => text.replace(/=+$/, '');

function insideCache(text: string): void {
  for (const segment of cacheFilePath(text)) {
    if (segment === '..' || segment === '' || /[/\0]/.test(segment)) {
      throw new Disagreement(`leads out by ${JSON.stringify(segment)}`);
    }
  }
}

const SECRET = readFileSync(new URL('../../fixtures/cache.sec', import.meta.url), 'utf8').trim();
const TOKEN = 'ci:0123456789abcdef';
const { storePath } = fixtureCache.path('text');
const base32 = '1r3vynbqigjcx8m9jvffddk523sfyyzvgd4hrajp0s1j4ivldd7c';
const entry = 'CgoKACABKAMyBAgBEAI';

type Reader = readonly [sample: string, read: (text: string) => unknown];

const READERS: readonly Reader[] = [
  [storePath, both(StorePath.parse, (path) => path.absolute)],
  [storePath, (text) => parseStorePathQuery(text)],
  [`${storePath}@blake3-${'A'.repeat(43)}=/lib/x`, parsePlace],
  [storePath.slice(11, 43), (text) => parseHashPart(text)],
  [`sha256:${base32}`, both(Hash.parse, String)],
  [`sha256-${'A'.repeat(43)}=`, both(Hash.parse, String)],
  [`fixed:r:sha256:${base32}`, both(ContentAddress.parse, String)],
  [`cache-1:${'A'.repeat(86)}==`, both(Signature.parse, String)],
  [fixtureCache.publicKey, both(PublicKey.parse, String)],
  [`${fixtureCache.publicKey} ${fixtureCache.publicKey}`, (text) => parsePublicKeys(text)],
  [SECRET, (text) => SecretKey.parse(text)],
  [base32, both(decodeNixbase32, encodeNixbase32)],
  [
    'AAECAw==',
    (text) => {
      const bytes = decodeBase64(text);
      // the padding may be left out
      if (bytes !== undefined)
        agree('encoded again', unpadded(text), unpadded(encodeBase64(bytes)));
    },
  ],
  [`${TOKEN}\n# comment\n`, (text) => UploadTokens.parse(text)],
  [
    'Bearer 0123456789abcdef',
    (text) => {
      const uploader = UploadTokens.parse(TOKEN).uploaderOf(text);
      const knows = text.includes('0123456789abcdef') || /basic/i.test(text);
      if (uploader !== undefined && !knows) throw new Disagreement(`lets in ${text}`);
    },
  ],
  ['nar/x.nar.xz?hash=y', insideCache],
  ['nar/%2e/x', insideCache],
  ['nar/x.nar.xz?hash=y', resolved],
  ['//other.example/nar/x', resolved],
  ['http://8.8.8.8/x', resolved],
  ['gzip, br', (text) => contentEncodings(text, 'u')],
  ['https://nars.example', both(parseOrigin, String)],
  [
    'machine h login l password p\nmacdef x\n\ndefault login d password q',
    (text) => netrcEntry(text, 'h', 'l'),
  ],
  [
    'Sun, 22 Nov 2026 00:01:00 GMT',
    (text) => {
      const waitMs = retryAfterMs(text, 0);
      if (waitMs !== undefined && !(waitMs >= 0)) throw new Disagreement(`waits ${waitMs}`);
    },
  ],
  [
    `nar/snix-castore/${entry}?narsize=8`,
    (text) => {
      const infused = parseInfusedNarUrl(text);
      if (infused === undefined) return;
      const url = infusedNarUrl(infused.node, infused.narSize ?? 0);
      agree(
        'written again',
        url,
        infusedNarUrl(parseInfusedNarUrl(url)?.node ?? infused.node, infused.narSize ?? 0),
      );
    },
  ],
];

const WORDS = [
  '/nix/store/',
  '..',
  '/',
  '\\',
  '%2e',
  '%2f',
  '%00',
  '%',
  '\0',
  '\n',
  ':',
  '::',
  '//',
  '@',
  '?',
  '#',
  '=',
  ' ',
  'sha256:',
  'sha256-',
  'md5:',
  'blake3-',
  'fixed:',
  'r:',
  'git:',
  'text:',
  'http://',
  'file:///',
  'javascript:',
  '[::ffff:127.0.0.1]',
  '127.1',
  '0x7f000001',
  'localhost',
  'user:pass@',
  '.drv',
  'e',
  'ß',
  '\u202e',
  '\ud83d\ude00',
  'Basic ',
  'Bearer ',
  'default',
  'machine ',
  'identity',
  'x-gzip',
];

export const textTarget = () =>
  pureTarget({
    name: 'texts',
    seeds: READERS.map(([sample], index) => Buffer.concat([Uint8Array.of(index), utf8(sample)])),
    words: WORDS.map(utf8),
    run(input) {
      const [choice = 0] = input;
      const reader = READERS[choice % READERS.length];
      const text = Buffer.from(input.subarray(1)).toString(choice < 128 ? 'utf8' : 'latin1');
      reader?.[1](text);
      return `taken ${choice % READERS.length}`;
    },
  });
