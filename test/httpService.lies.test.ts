/**
 * The ways in which an upstream lies, and what each gets: an error code, and no PathInfo. The path
 * beside is mirrored all the same, the path above names the lie as its cause.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ErrorCode, isNarthexError } from '../src/errors.ts';
import { StorePath } from '../src/storePath.ts';
import {
  codeOf,
  digestOf,
  keptPaths,
  memoryServices,
  outcomeOf,
  renderedNarHash,
  SERVICE_KINDS,
  type Services,
  serviceOver,
  storeServices,
  variantsOf,
} from './ingest/serviceHarness.ts';
import { writeCacheFiles, zipCacheFiles } from './support/cacheFiles.ts';
import { fingerprint, type NarinfoFields, narinfoField } from './support/narinfoText.ts';
import { hashPartOf, nixbase32, sha256 } from './support/nixbase32.ts';
import { testKey } from './support/signingKey.ts';
import { type Answer, serveStatic } from './support/staticCache.ts';
import {
  type BuiltPath,
  type Lie,
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
  TEST_KEY,
} from './support/syntheticCache.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  narString,
  unsortedDirectory,
} from './support/syntheticTree.ts';
import { temporaryDirectory } from './support/temporaryDirectory.ts';

const WRONG_HASH = `sha256:${nixbase32(sha256('something else'))}`;
const OTHER_PATH = `/nix/store/${hashPartOf('another')}-liar`;
const OTHER_NAME = `/nix/store/${hashPartOf('liar')}-another-name`;
const STRANGER = testKey('stranger-1');
const HTML = '<!DOCTYPE html><html><body>Please log in</body></html>\n';
/** Eight bytes more, so that a NAR stays aligned. */
const SURPLUS = Buffer.alloc(8);

const append = (bytes: Uint8Array) => Buffer.concat([bytes, SURPLUS]);
const half = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length / 2));
/** One letter of the contents, at the same length. */
const alter = (nar: Uint8Array) => {
  const altered = Buffer.from(nar);
  altered.write('LIAR', altered.indexOf('liar'));
  return altered;
};
/** Another text for a field, computed from the right one. */
const field = (
  key: 'NarSize' | 'FileSize',
  change: (size: number) => number,
  when: 'signed' | 'unsigned',
) =>
  ({
    narinfo: (text: string) => {
      const changed = text.replace(
        new RegExp(`^${key}: (\\d+)$`, 'm'),
        (_, size) => `${key}: ${change(Number(size))}`,
      );
      return when === 'signed' ? signedAgain(changed) : changed;
    },
  }) satisfies Lie;

/** The narinfo with a signature that fits what it says now. */
function signedAgain(text: string): string {
  const references = (narinfoField(text, 'References') ?? '').split(' ').filter((name) => name);
  const message = fingerprint(
    narinfoField(text, 'StorePath') ?? '',
    narinfoField(text, 'NarHash') ?? '',
    narinfoField(text, 'NarSize') ?? '',
    references.map((name) => `/nix/store/${name}`),
  );
  return text.replace(/^Sig: .*$/m, `Sig: ${TEST_KEY.sign(message)}`);
}

/** A NAR's bytes that no tree has. */
const nar = (...strings: (string | Uint8Array)[]) => Buffer.concat(strings.map(narString));

interface Row {
  /** How the path `liar` differs from an honest one. */
  readonly path?: Partial<SyntheticPath>;
  readonly lie?: Lie;
  /** What the server answers to requests for the path's NAR or narinfo. */
  readonly nar?: Answer;
  readonly narinfo?: Answer;
  readonly files?: (cache: SyntheticCache, liar: BuiltPath) => void;
  /** Whether the NAR may not even be asked for. */
  readonly unasked?: true;
}

type Code = ErrorCode | 'absent';
/** Over HTTP, and from a directory or zip file; `null` where it cannot be so. */
type Codes = Code | readonly [http: Code, files: Code | null];

const signed = (fields: NarinfoFields): Row => ({ lie: { signed: fields } });
const unsigned = (fields: NarinfoFields): Row => ({ lie: { unsigned: fields } });
const unasked = true;
const noFileSize = { unsigned: { FileSize: undefined } };
const trailing = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.from('trailing')]);
const byContent = (method: 'recursive' | 'text' | 'flat') =>
  ({ keys: [], contentAddress: { method, algorithm: 'sha256' } }) as const;
const impostor = {
  ...STRANGER,
  sign: (message: string | Uint8Array) =>
    STRANGER.sign(message).replace(STRANGER.name, TEST_KEY.name),
};
const bomb = () => encodeNar(file(new Uint8Array(20_000_000)));
const dirtyPadding = () =>
  Buffer.concat([
    nar('nix-archive-1', '(', 'type', 'regular', 'contents'),
    Buffer.from('0100000000000000' + '7801000000000000', 'hex'),
    nar(')'),
  ]);

// biome-ignore format: a table
const TABLE: readonly (readonly [lie: string, codes: Codes, row: Row])[] = [
  // what is signed
  ['NarHash of something else',           'NAR_HASH_MISMATCH',   signed({ NarHash: WRONG_HASH })],
  ['NarSize too small',                   'NAR_SIZE_MISMATCH',   { lie: field('NarSize', (n) => n - 8, 'signed') }],
  ['NarSize too large',                   'NAR_SIZE_MISMATCH',   { lie: field('NarSize', (n) => n + 8, 'signed') }],
  ['NarSize 0',                           'NARINFO_INVALID',     { lie: field('NarSize', () => 0, 'signed'), unasked }],
  ['NarSize of two TiB',                  'LIMIT_EXCEEDED',      { lie: field('NarSize', () => 2 ** 41, 'signed'), unasked }],
  ['NarHash by SHA-1',                    'NARINFO_INVALID',     { ...signed({ NarHash: `sha1:${'0'.repeat(32)}` }), unasked }],
  ['StorePath of another hash part',      'STORE_PATH_MISMATCH', { ...signed({ StorePath: OTHER_PATH }), unasked }],
  ['StorePath of another name',           'STORE_PATH_MISMATCH', { ...signed({ StorePath: OTHER_NAME }), unasked }],
  ['StorePath in another store',          'NARINFO_INVALID',     { ...signed({ StorePath: `/gnu/store/${hashPartOf('liar')}-liar` }), unasked }],
  ['a reference that is nowhere',         'REFERENCE_FAILED',    { path: { references: [`${hashPartOf('nowhere')}-nowhere`] } }],
  ['a reference by a wrong name',         'REFERENCE_FAILED',    { path: { references: [`${hashPartOf('honest')}-not-its-name`] } }],
  ['a cycle with the path above',         'REFERENCE_CYCLE',     { path: { references: ['above'] } }],

  // signatures
  ['signed by a stranger',                'SIGNATURE_MISSING',   { path: { keys: [STRANGER] }, unasked }],
  ['signed by nobody',                    'SIGNATURE_MISSING',   { path: { keys: [] }, unasked }],
  ['signature of something else',         'SIGNATURE_MISMATCH',  { ...unsigned({ Sig: TEST_KEY.sign('something else') }), unasked }],
  ['a stranger under a trusted name',     'SIGNATURE_MISMATCH',  { path: { keys: [impostor] }, unasked }],
  ['NarHash changed after signing',       'SIGNATURE_MISMATCH',  { ...unsigned({ NarHash: WRONG_HASH }), unasked }],
  ['a reference added after signing',     'SIGNATURE_MISMATCH',  { ...unsigned({ References: `${hashPartOf('honest')}-honest` }), unasked }],
  ['a reference left out after signing',  'SIGNATURE_MISMATCH',  { path: { references: ['honest'] }, ...unsigned({ References: '' }), unasked }],
  ['a signature that is none',            'NARINFO_INVALID',     { ...unsigned({ Sig: `${TEST_KEY.name}:AAAA` }), unasked }],

  // content addresses
  ['other content than the CA',           'CONTENT_ADDRESS_MISMATCH', { path: byContent('recursive'), lie: { hashedNar: alter } }],
  ['other content than a text CA',        'CONTENT_ADDRESS_MISMATCH', { path: { tree: file('liar'), ...byContent('text') }, lie: { hashedNar: alter } }],
  ['other content than a flat CA',        'CONTENT_ADDRESS_MISMATCH', { path: { tree: file('liar'), ...byContent('flat') }, lie: { hashedNar: alter } }],
  ['an executable for a flat CA',         'CONTENT_ADDRESS_MISMATCH', { path: { tree: file('liar'), ...byContent('flat') }, lie: { hashedNar: () => encodeNar(executable('liar')) } }],
  ["another path's CA, unsigned",         'CONTENT_ADDRESS_MISMATCH', { path: { keys: [] }, ...unsigned({ CA: `fixed:r:${WRONG_HASH}` }), unasked }],
  ['a wrong CA on a signed path',         'CONTENT_ADDRESS_MISMATCH', unsigned({ CA: `fixed:r:${WRONG_HASH}` })],
  ['a CA that is none',                   'NARINFO_INVALID',          { ...unsigned({ CA: 'fixed:rot13:abc' }), unasked }],

  // the file
  ['FileHash of something else',          'FILE_HASH_MISMATCH',      unsigned({ FileHash: WRONG_HASH })],
  ['FileSize too small',                  'FILE_SIZE_MISMATCH',      { lie: field('FileSize', (n) => n - 1, 'unsigned') }],
  ['FileSize too large',                  'FILE_SIZE_MISMATCH',      { lie: field('FileSize', (n) => n + 1, 'unsigned') }],
  ['a file that is cut off',              'COMPRESSION_TRUNCATED',   { lie: { servedFile: half } }],
  ['the same, not compressed',            'NAR_INVALID',             { path: { compression: 'none' }, lie: { servedFile: half } }],
  ['an empty file',                       'COMPRESSION_TRUNCATED',   { lie: { servedFile: () => new Uint8Array(0) } }],
  ['bytes after the compressed data',     'FILE_SIZE_MISMATCH',      { lie: { servedFile: trailing } }],
  ['the same, and no FileSize',           'COMPRESSION_TRAILING',    { lie: { servedFile: trailing, ...noFileSize } }],
  ['the same, zstd',                      'COMPRESSION_TRAILING',    { path: { compression: 'zstd' }, lie: { servedFile: trailing, ...noFileSize } }],
  ['the same, gzip',                      'COMPRESSION_TRAILING',    { path: { compression: 'gzip' }, lie: { servedFile: trailing, ...noFileSize } }],
  ['the same, brotli',                    'COMPRESSION_TRAILING',    { path: { compression: 'br' }, lie: { servedFile: trailing, ...noFileSize } }],
  ['a compression that nobody knows',     'COMPRESSION_UNSUPPORTED', { ...unsigned({ Compression: 'rot13' }), unasked }],
  ['another compression than it has',     'COMPRESSION_INVALID',     unsigned({ Compression: 'gzip' })],
  ['a web page instead of the NAR',       ['FILE_SIZE_MISMATCH', 'COMPRESSION_INVALID'], { nar: { body: HTML.repeat(9) }, files: (cache, { narFile }) => cache.files.set(narFile, Buffer.from(HTML)) }],

  // the NAR
  ['another NAR',                         'NAR_HASH_MISMATCH',   { lie: { servedNar: alter } }],
  ['a longer NAR',                        'NAR_SIZE_MISMATCH',   { lie: { servedNar: append } }],
  ['a bomb',                              'NAR_SIZE_MISMATCH',   { path: { compression: 'zstd' }, lie: { servedNar: bomb } }],
  ['bytes after the NAR, all signed',     'NAR_INVALID',         { lie: { hashedNar: append } }],
  ['a NAR cut off in a name, signed',     'NAR_INVALID',         { lie: { hashedNar: (bytes) => bytes.subarray(0, 150) } }],
  ['a NAR cut off in a file, signed',     'NAR_SIZE_MISMATCH',   { lie: { hashedNar: (bytes) => bytes.subarray(0, -16) } }],
  ['names that are not sorted',           'NAR_INVALID',         { path: { tree: unsortedDirectory([['b', file('')], ['a', file('')]]) } }],
  ['a name twice',                        'NAR_INVALID',         { path: { tree: unsortedDirectory([['a', file('1')], ['a', file('2')]]) } }],
  ['a name that leads up',                'NAR_INVALID',         { path: { tree: directory([['..', file('')]]) } }],
  ['a name with a slash',                 'NAR_INVALID',         { path: { tree: directory([['a/b', file('')]]) } }],
  ['padding that is not zero',            'NAR_INVALID',         { lie: { hashedNar: dirtyPadding } }],
  ['not a NAR',                           'NAR_INVALID',         { lie: { hashedNar: () => Buffer.from(HTML) } }],

  // where the NAR is
  ['URL: ../../x',                        ['NAR_MISSING', 'UPSTREAM_URL_FORBIDDEN'], unsigned({ URL: '../../x' })],
  ['URL: %2e%2e/%2e%2e/x',                ['NAR_MISSING', 'UPSTREAM_URL_FORBIDDEN'], unsigned({ URL: '%2e%2e/%2e%2e/x' })],
  ['URL: of a file of this machine',      'UPSTREAM_URL_FORBIDDEN',  unsigned({ URL: 'file:///etc/hostname' })],
  ['URL: of another origin',              'UPSTREAM_URL_FORBIDDEN',  unsigned({ URL: 'http://169.254.169.254/latest/meta-data' })],
  ['URL: empty',                          'NARINFO_INVALID',         unsigned({ URL: '' })],
  ['no NAR there',                        'NAR_MISSING',             { files: (cache, { narFile }) => cache.files.delete(narFile) }],

  // the narinfo
  ['no narinfo',                          'absent',              { files: (cache, { narinfoFile }) => cache.files.delete(narinfoFile) }],
  ['a web page instead of the narinfo',   'NARINFO_INVALID',     { lie: { narinfo: () => HTML } }],
  ['an empty narinfo',                    'NARINFO_INVALID',     { lie: { narinfo: () => '' } }],
  ['a narinfo that is cut off',           'NARINFO_INVALID',     { lie: { narinfo: (text) => text.slice(0, text.indexOf('NarHash') + 30) } }],
  ['a field twice',                       'NARINFO_INVALID',     { lie: { narinfo: (text) => text + text.slice(0, text.indexOf('\n') + 1) } }],
  ['a narinfo of two MiB',                'LIMIT_EXCEEDED',      { lie: { narinfo: (text) => `${text}X: ${'x'.repeat(2 ** 21)}\n` } }],

  // HTTP
  ['connection breaks in the NAR',        ['UPSTREAM_FAILED', null], { nar: { truncateAt: 30 } }],
  ['connection breaks in the narinfo',    ['UPSTREAM_FAILED', null], { narinfo: { truncateAt: 30 } }],
  ['connection is reset',                 ['UPSTREAM_FAILED', null], { nar: { reset: true } }],
  ['500 for the NAR',                     ['UPSTREAM_STATUS', null], { nar: { status: 500 } }],
  ['500 for the narinfo',                 ['UPSTREAM_STATUS', null], { narinfo: { status: 500 } }],
  ['401 for the NAR',                     ['UPSTREAM_STATUS', null], { nar: { status: 401 } }],
  ['401 for the narinfo: no absence',     ['UPSTREAM_STATUS', null], { narinfo: { status: 401 } }],
  ['403 for the NAR: absence',            ['NAR_MISSING', null],     { nar: { status: 403 } }],
  ['410 for the narinfo: absence',        ['absent', null],          { narinfo: { status: 410 } }],
  ['206 for all of the NAR',              ['UPSTREAM_STATUS', null], { nar: { status: 206 } }],
  ['a redirect that goes round',          ['UPSTREAM_FAILED', null], { nar: { status: 302, headers: { location: './round' } } }],
];

const HTTP_TABLE = TABLE.map(
  ([lie, codes, row]) => [lie, typeof codes === 'string' ? codes : codes[0], row] as const,
);
const FILES_TABLE = TABLE.flatMap(([lie, codes, row]) => {
  const code = typeof codes === 'string' ? codes : codes[1];
  return code === null ? [] : [[lie, code, row] as const];
});

/** A cache in which one path lies: `honest` beside it, `above` refers to both. */
async function cacheWith(row: Row) {
  const cache = await syntheticCache([
    { name: 'honest' },
    { name: 'liar', ...row.path, ...(row.lie === undefined ? {} : { lie: row.lie }) },
    { name: 'above', references: ['honest', 'liar'] },
  ]);
  const liar = cache.path('liar');
  row.files?.(cache, liar);
  return { cache, liar };
}

/** Mirrors all three and checks what came of it. */
async function check(baseUrl: string, cache: SyntheticCache, expected: Code, services: Services) {
  const [honest, liar, above] = ['honest', 'liar', 'above'].map((name) => cache.storePath(name));
  if (honest === undefined || liar === undefined || above === undefined) throw new Error('three');
  await using service = serviceOver(services, { baseUrl });
  const results = await service.ingest([honest, liar, above].map((path) => StorePath.parse(path)));

  expect(results.map(outcomeOf)).toEqual([
    'kept',
    expected,
    expected === 'REFERENCE_CYCLE' ? 'REFERENCE_CYCLE' : 'REFERENCE_FAILED',
  ]);
  for (const result of results) {
    if (result.outcome !== 'failed' || !isNarthexError(result.error)) continue;
    if (result.error.code !== 'REFERENCE_FAILED' || expected === 'REFERENCE_FAILED') continue;
    const cause = expected === 'absent' ? 'PATH_NOT_FOUND' : expected;
    expect(result.error.cause).toMatchObject({ code: cause });
  }

  // nothing is known of the liar, nor of what is above it, nor under any name that it gave itself
  for (const path of [liar, above, OTHER_PATH, OTHER_NAME]) {
    expect(await variantsOf(services, path)).toEqual([]);
    expect(await services.pathInfoService.get(digestOf(path))).toBeUndefined();
    expect(await services.pathInfoService.has(digestOf(path))).toBe(false);
  }
  expect(await keptPaths(services)).toEqual([honest]);
  const [kept] = await variantsOf(services, honest);
  expect(kept && (await renderedNarHash(services, kept))).toBe(cache.path('honest').narHash);
}

describe('over HTTP', () => {
  test.each(HTTP_TABLE)('%s: %s', async (_, code, row) => {
    const { cache, liar } = await cacheWith(row);
    await using server = await serveStatic(cache.files, {
      respond({ path }) {
        if (path === liar.narFile || path === 'nar/round') return row.nar;
        return path === liar.narinfoFile ? row.narinfo : undefined;
      },
    });
    await using services = await memoryServices();
    await check(server.url, cache, code, services);
    if (row.unasked === true) expect(server.paths()).not.toContain(liar.narFile);
  });
});

describe('in a directory', () => {
  test.each(FILES_TABLE)('%s: %s', async (_, code, row) => {
    const { cache } = await cacheWith(row);
    await using temporary = await temporaryDirectory('lies');
    const inside = join(temporary.path, 'a', 'b');
    await writeCacheFiles(cache.files, inside);
    // what `../../x` would find if it were followed
    await writeFile(join(temporary.path, 'x'), cache.files.get(cache.path('liar').narFile) ?? '');
    await using services = await memoryServices();
    await check(inside, cache, code, services);
  });
});

describe('in a zip file, into the embedded store', () => {
  test.each(FILES_TABLE)('%s: %s', async (_, code, row) => {
    const { cache } = await cacheWith(row);
    await using temporary = await temporaryDirectory('lies');
    const zip = join(temporary.path, 'cache.zip');
    await writeFile(zip, zipCacheFiles(cache.files));
    await using services = await storeServices();
    await check(zip, cache, code, services);
  });
});

describe.each(SERVICE_KINDS)('a cache that lies as a whole, %s', (_, newServices) => {
  const rows: readonly (readonly [string, ErrorCode, (cache: SyntheticCache) => void])[] = [
    [
      'for another store directory',
      'STORE_DIR_MISMATCH',
      (cache) => cache.files.set('nix-cache-info', Buffer.from('StoreDir: /gnu/store\n')),
    ],
    ['no nix-cache-info', 'NOT_A_BINARY_CACHE', (cache) => cache.files.delete('nix-cache-info')],
    [
      'a web page instead of it',
      'NOT_A_BINARY_CACHE',
      (cache) => cache.files.set('nix-cache-info', Buffer.from(HTML)),
    ],
    [
      'a priority that is no number',
      'CACHE_INFO_INVALID',
      (cache) => cache.files.set('nix-cache-info', Buffer.from('Priority: high\n')),
    ],
  ];

  test.each(rows)('%s: %s', async (__, code, change) => {
    const cache = await syntheticCache([{ name: 'honest' }]);
    change(cache);
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const digest = digestOf(cache.storePath('honest'));
    expect(await codeOf(service.get(digest))).toBe(code);
    expect(await codeOf(service.has(digest))).toBe(code);
    expect(await keptPaths(services)).toEqual([]);
    expect(server.paths(/narinfo|nar\//)).toEqual([]);
  });
});

test('the honest cache of the table is mirrored whole', async () => {
  const { cache } = await cacheWith({});
  await using server = await serveStatic(cache.files);
  await using services = await memoryServices();
  await using service = serviceOver(services, { baseUrl: server.url });
  const above = await service.get(digestOf(cache.storePath('above')));
  expect(above?.storePath.absolute).toBe(cache.storePath('above'));
  expect((await keptPaths(services)).length).toBe(3);
});
