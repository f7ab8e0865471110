/** What comes of an ingest when its upstream misbehaves: faults × outcomes. */
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isNarthexError } from '../../src/errors.ts';
import type { NixHTTPPathInfoService } from '../../src/httpService.ts';
import { StorePath } from '../../src/storePath.ts';
import { type Faults, faultyCache, forever, NEVER } from '../support/faultyCache.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { selfSignedCertificate } from '../support/selfSignedCertificate.ts';
import type { Answer, ServeOptions } from '../support/staticCache.ts';
import {
  type HarnessOptions,
  keptPaths,
  memoryServices,
  renderedNarHash,
  type Services,
  serviceOver,
  storeServices,
} from './serviceHarness.ts';

const { directory, publicKey } = fixtureCache;
const PATH = fixtureCache.path('large-1.1');
const STORE_PATH = StorePath.parse(PATH.storePath);
const narinfoOf = (path: string) => readFileSync(`${directory}/${hashPartOfPath(path)}.narinfo`);
const NARINFO = narinfoOf(PATH.storePath);
const NAR = readFileSync(`${directory}/${/^URL: (.+)$/m.exec(String(NARINFO))?.[1]}`);
const HALF = NAR.length >> 1;

const HTML: Answer = {
  headers: { 'content-type': 'text/html' },
  body: '<!doctype html><title>Sign in</title>\n',
};
const S3 = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`,
});
const REDIRECT_TO_ITSELF: Answer = { status: 302, headers: { location: '#' } };
const REST_OF_ANOTHER: Answer = {
  status: 206,
  headers: {
    etag: '"another"',
    'content-range': `bytes ${HALF}-${NAR.length - 1}/${NAR.length}`,
  },
  body: NAR.subarray(HALF),
};
const GZIP_UNASKED = (body: Uint8Array): Answer => ({
  headers: { 'content-encoding': 'gzip' },
  body: gzipSync(body),
});
const LENGTH = (length: number): Answer => ({ headers: { 'content-length': `${length}` } });
const REDIRECT_TO_METADATA: Answer = {
  status: 302,
  headers: { location: 'http://169.254.169.254/' },
};
const HUGE_HEAD = `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(9000)}\r\n`;
const CUT: Answer = { truncateAt: HALF };
const CUT_EARLY: Answer = { truncateAt: 1000 };
const STALL_AT = (at: number): Answer => ({ pause: { at, until: NEVER } });
/** A few bytes at a time, of which there are not enough. */
const DRIP: Answer = { dripBytes: 16, body: NAR.subarray(0, 4096), ...LENGTH(NAR.length) };
/** Two attempts, short timeouts. */
const TWICE: Partial<HarnessOptions> = {
  timeouts: { headersMs: 50, bodyMs: 50 },
  retry: { attempts: 2, sleep: () => nextTurn() },
};

/** A clock on which ten seconds pass between any two looks. */
function hastyClock(): () => number {
  let nowMs = 0;
  return () => {
    nowMs += 10_000;
    return nowMs;
  };
}

const FAULTS: Readonly<Record<string, Faults & { with?: ServeOptions & Partial<HarnessOptions> }>> =
  {
    none: {},
    // of a narinfo, that pass
    'narinfo reset once': { narinfo: [{ reset: true }] },
    'narinfo cut off once': { narinfo: [{ truncateAt: 10 }] },
    'narinfo 500, 502, 503 once': { narinfo: [{ status: 500 }, { status: 502 }, { status: 503 }] },
    'narinfo 429 with Retry-After once': {
      narinfo: [{ status: 429, headers: { 'retry-after': '9' } }],
    },
    'narinfo S3 RequestTimeout once': { narinfo: [S3(400, 'RequestTimeout')] },
    'narinfo S3 RequestTimeTooSkewed once': { narinfo: [S3(403, 'RequestTimeTooSkewed')] },
    'narinfo gzip unasked': { narinfo: [forever(GZIP_UNASKED(NARINFO))] },
    'narinfo redirected once': { narinfo: [REDIRECT_TO_ITSELF] },
    // of a NAR, that pass
    'NAR reset before its first byte': { nar: [{ reset: true }] },
    'NAR cut off in its middle': { nar: [CUT] },
    'NAR cut off four times': { nar: [CUT_EARLY, CUT_EARLY, { reset: true }, { truncateAt: 0 }] },
    'NAR stalled in its middle': { nar: [STALL_AT(HALF)], with: { timeouts: { bodyMs: 50 } } },
    'NAR cut off, then 503': { nar: [CUT, { status: 503 }] },
    'NAR gzip unasked': { nar: [forever(GZIP_UNASKED(NAR))] },
    'NAR of no announced length': { nar: [forever({ chunked: true })] },
    'NAR in small pieces': { nar: [forever({ dripBytes: 4096 })] },
    'NAR cut off, no ranges taken': { nar: [CUT], with: { ranges: false } },
    'NAR encoded, cut off': { nar: [{ ...GZIP_UNASKED(NAR), ...CUT }] },
    'NAR of another ETag between two ranges': { nar: [CUT, REST_OF_ANOTHER] },
    // of a narinfo, that last
    'narinfo reset': { narinfo: [forever({ reset: true })] },
    'narinfo without an answer': { narinfo: [forever({ after: NEVER })], with: TWICE },
    'narinfo 503': { narinfo: [forever({ status: 503 })] },
    'narinfo 503, Retry-After an hour': {
      narinfo: [forever({ status: 503, headers: { 'retry-after': '3600' } })],
    },
    'narinfo 401': { narinfo: [forever({ status: 401 })] },
    'narinfo 407': { narinfo: [forever({ status: 407 })] },
    'narinfo 403': { narinfo: [forever({ status: 403 })] },
    'narinfo 403 of S3': { narinfo: [forever(S3(403, 'AccessDenied'))] },
    'narinfo 410': { narinfo: [forever({ status: 410 })] },
    'narinfo is a web page': { narinfo: [forever(HTML)] },
    'narinfo shorter than announced': {
      narinfo: [forever(LENGTH(NARINFO.length + 9))],
      with: TWICE,
    },
    'narinfo longer than announced': { narinfo: [forever(LENGTH(NARINFO.length - 100))] },
    'narinfo gzip, unsaid': { narinfo: [forever({ body: gzipSync(NARINFO) })] },
    'narinfo said to be gzip': { narinfo: [forever({ headers: { 'content-encoding': 'gzip' } })] },
    'narinfo redirected in a circle': { narinfo: [forever(REDIRECT_TO_ITSELF)] },
    'narinfo redirected to 169.254.169.254': { narinfo: [forever(REDIRECT_TO_METADATA)] },
    'narinfo not HTTP': { narinfo: [forever({ raw: 'SSH-2.0-OpenSSH_9.2\r\n' })] },
    'narinfo with a huge head': { narinfo: [forever({ raw: HUGE_HEAD })] },
    'narinfo of another path': { narinfo: [forever({ body: narinfoOf(fixtureCache.root) })] },
    // of a NAR, that last
    'NAR 404': { nar: [forever({ status: 404 })] },
    'NAR 403': { nar: [forever({ status: 403 })] },
    'NAR 410': { nar: [forever({ status: 410 })] },
    'NAR 401': { nar: [forever({ status: 401 })] },
    'NAR 500': { nar: [forever({ status: 500 })] },
    'NAR cut off, then reset': { nar: [CUT, forever({ reset: true })] },
    'NAR cut off, then stalled': { nar: [CUT, forever(STALL_AT(0))], with: TWICE },
    'NAR always cut off, no ranges taken': { nar: [forever(CUT)], with: { ranges: false } },
    'NAR cut off, then 404': { nar: [CUT, forever({ status: 404 })] },
    'NAR is a web page': { nar: [forever(HTML)] },
    'NAR shorter than its FileSize': { nar: [forever({ body: NAR.subarray(0, HALF) })] },
    'NAR longer than its FileSize': { nar: [forever({ extra: Buffer.alloc(4096) })] },
    'NAR longer than announced': { nar: [forever(LENGTH(HALF))] },
    'NAR with another bit': { nar: [forever({ body: flipped(NAR, HALF) })] },
    'NAR a drop every ten seconds': {
      nar: [forever(DRIP)],
      with: { retry: { attempts: 1, now: hastyClock() } },
    },
    'NAR too long altogether': {
      nar: [forever({ dripBytes: 1024 })],
      with: { timeouts: { totalMs: 15_000 }, retry: { now: hastyClock() } },
    },
    'NAR redirected in a circle': { nar: [forever(REDIRECT_TO_ITSELF)] },
    // of all of it
    'nix-cache-info 404': { cacheInfo: [forever({ status: 404 })] },
    'nix-cache-info 403': { cacheInfo: [forever({ status: 403 })] },
    'nix-cache-info is a web page': { cacheInfo: [forever(HTML)] },
    'nix-cache-info of another store': { cacheInfo: [forever({ body: 'StoreDir: /gnu/store\n' })] },
    'TLS signed by itself': { with: { tls: selfSignedCertificate() } },
    'no address': { with: { resolve: noAddress } },
    'no connection in time': { with: { resolve: () => {}, timeouts: { connectMs: 50 } } },
  };

/** What comes of each: outcome, requests for the narinfo, requests for the NAR. */
const OUTCOMES = `
none                                   | kept                              |  1 |  1
narinfo reset once                     | kept                              |  2 |  1
narinfo cut off once                   | kept                              |  2 |  1
narinfo 500, 502, 503 once             | kept                              |  4 |  1
narinfo 429 with Retry-After once      | kept                              |  2 |  1
narinfo S3 RequestTimeout once         | kept                              |  2 |  1
narinfo S3 RequestTimeTooSkewed once   | kept                              |  2 |  1
narinfo gzip unasked                   | kept                              |  1 |  1
narinfo redirected once                | kept                              |  2 |  1
NAR reset before its first byte        | kept                              |  1 |  2
NAR cut off in its middle              | kept                              |  1 |  2
NAR cut off four times                 | kept                              |  1 |  5
NAR stalled in its middle              | kept                              |  1 |  2
NAR cut off, then 503                  | kept                              |  1 |  3
NAR gzip unasked                       | kept                              |  1 |  1
NAR of no announced length             | kept                              |  1 |  1
NAR in small pieces                    | kept                              |  1 |  1
NAR cut off, no ranges taken           | kept                              |  1 |  2
NAR encoded, cut off                   | kept                              |  1 |  2
NAR of another ETag between two ranges | kept                              |  1 |  3
narinfo reset                          | UPSTREAM_FAILED reset ×5          |  5 |  0
narinfo without an answer              | UPSTREAM_FAILED headersTimeout ×2 |  2 |  0
narinfo 503                            | UPSTREAM_STATUS 503 ×5            |  5 |  0
narinfo 503, Retry-After an hour       | UPSTREAM_STATUS 503 ×1            |  1 |  0
narinfo 401                            | UPSTREAM_STATUS 401 ×1            |  1 |  0
narinfo 407                            | UPSTREAM_STATUS 407 ×1            |  1 |  0
narinfo 403                            | absent                            |  1 |  0
narinfo 403 of S3                      | absent                            |  1 |  0
narinfo 410                            | absent                            |  1 |  0
narinfo is a web page                  | NARINFO_INVALID                   |  1 |  0
narinfo shorter than announced         | UPSTREAM_FAILED bodyTimeout ×2    |  2 |  0
narinfo longer than announced          | NARINFO_INVALID                   |  1 |  0
narinfo gzip, unsaid                   | NARINFO_INVALID                   |  1 |  0
narinfo said to be gzip                | COMPRESSION_INVALID               |  1 |  0
narinfo redirected in a circle         | UPSTREAM_FAILED redirects ×1      | 11 |  0
narinfo redirected to 169.254.169.254  | UPSTREAM_URL_FORBIDDEN            |  1 |  0
narinfo not HTTP                       | UPSTREAM_FAILED protocol ×1       |  1 |  0
narinfo with a huge head               | UPSTREAM_FAILED protocol ×1       |  1 |  0
narinfo of another path                | STORE_PATH_MISMATCH               |  1 |  0
NAR 404                                | NAR_MISSING                       |  2 |  1
NAR 403                                | NAR_MISSING                       |  2 |  1
NAR 410                                | NAR_MISSING                       |  2 |  1
NAR 401                                | UPSTREAM_STATUS 401 ×1            |  2 |  1
NAR 500                                | UPSTREAM_STATUS 500 ×5            |  2 |  5
NAR cut off, then reset                | UPSTREAM_FAILED reset ×5          |  2 |  5
NAR cut off, then stalled              | UPSTREAM_FAILED bodyTimeout ×2    |  2 |  2
NAR always cut off, no ranges taken    | UPSTREAM_FAILED reset ×1          |  2 |  3
NAR cut off, then 404                  | UPSTREAM_STATUS 404 ×2            |  2 |  2
NAR is a web page                      | COMPRESSION_INVALID               |  2 |  1
NAR shorter than its FileSize          | COMPRESSION_TRUNCATED             |  2 |  1
NAR longer than its FileSize           | FILE_SIZE_MISMATCH                |  2 |  1
NAR longer than announced              | COMPRESSION_TRUNCATED             |  2 |  1
NAR with another bit                   | COMPRESSION_INVALID               |  2 |  1
NAR a drop every ten seconds           | UPSTREAM_FAILED slow ×1           |  2 |  1
NAR too long altogether                | UPSTREAM_FAILED totalTimeout ×1   |  2 |  1
NAR redirected in a circle             | UPSTREAM_FAILED redirects ×1      |  2 | 11
nix-cache-info 404                     | NOT_A_BINARY_CACHE                |  0 |  0
nix-cache-info 403                     | UPSTREAM_STATUS 403 ×1            |  0 |  0
nix-cache-info is a web page           | NOT_A_BINARY_CACHE                |  0 |  0
nix-cache-info of another store        | STORE_DIR_MISMATCH                |  0 |  0
TLS signed by itself                   | UPSTREAM_FAILED tls ×1            |  0 |  0
no address                             | UPSTREAM_FAILED dns ×1            |  0 |  0
no connection in time                  | UPSTREAM_FAILED connectTimeout ×1 |  0 |  0
`;

/** Those for which what is on disk matters most. */
const ON_DISK = /middle|another|cut off, then|always cut/;

const ROWS = OUTCOMES.trim()
  .split('\n')
  .map((line) => {
    const [name = '', outcome = '', narinfos, nars] = line.split('|').map((cell) => cell.trim());
    return { name, outcome, narinfos: Number(narinfos), nars: Number(nars) };
  });

function noAddress(_: string, __: unknown, callback: (error: Error, addresses: never[]) => void) {
  callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), []);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** `kept`, `absent`, or the code of the error with its kind or status, and the attempts. */
async function ingested(service: NixHTTPPathInfoService): Promise<string> {
  const [result] = await service.ingest([STORE_PATH]);
  if (result?.outcome !== 'failed') return String(result?.outcome);
  const { error } = result;
  if (!isNarthexError(error)) return String(error);
  const { kind, status, attempts } = error.facts;
  const more = attempts === undefined ? [] : [kind ?? status, `×${attempts}`];
  return [error.code, ...more].join(' ');
}

/** Nothing of the path can be seen. */
async function expectNothing(services: Services): Promise<void> {
  expect(await keptPaths(services)).toEqual([]);
  expect(await services.pathInfoService.get(STORE_PATH.digest)).toBeUndefined();
  expect(await Array.fromAsync(services.pathInfoService.listVariants(STORE_PATH.digest))).toEqual(
    [],
  );
}

/** All of the path is there, and right. */
async function expectAll(services: Services): Promise<void> {
  const pathInfo = await services.pathInfoService.get(STORE_PATH.digest);
  if (pathInfo === undefined) throw new Error('it is not kept');
  expect(await renderedNarHash(services, pathInfo)).toBe(PATH.narHash);
}

test('the table has every fault', () => {
  expect(ROWS.map(({ name }) => name)).toEqual(Object.keys(FAULTS));
});

describe.each([
  ['memory', memoryServices, ROWS],
  ['the embedded store', storeServices, ROWS.filter(({ name }) => ON_DISK.test(name))],
] as const)('an ingest into %s from an upstream with a fault', (_, open, rows) => {
  test.each(rows)('$name: $outcome', async ({ name, outcome, narinfos, nars }) => {
    const { with: more, ...faults } = FAULTS[name] ?? {};
    await using services = await open();
    await using cache = await faultyCache(directory, faults, more);
    // a host that has to be resolved where a row says how
    const baseUrl = more?.resolve ? cache.url.replace('127.0.0.1', 'cache.test') : cache.url;
    await using service = serviceOver(services, { baseUrl, publicKeys: [publicKey], ...more });
    const actual = await ingested(service);
    const asked = [cache.paths(/narinfo$/).length, cache.paths(/^nar\//).length];
    expect([actual, ...asked]).toEqual([outcome, narinfos, nars]);
    if (actual !== 'kept') {
      await expectNothing(services);
      // once the fault is over, all is as if it had not been
      await using good = serviceOver(services, { baseUrl: directory, publicKeys: [publicKey] });
      expect(await ingested(good)).toBe('kept');
    }
    await expectAll(services);
  });
});

test('the rest of a NAR is asked for from where it broke off, on the same condition', async () => {
  await using services = await memoryServices();
  await using cache = await faultyCache(directory, { nar: [{ truncateAt: HALF }] });
  await using service = serviceOver(services, { baseUrl: cache.url, publicKeys: [publicKey] });
  expect(await ingested(service)).toBe('kept');
  const [first, second] = cache.requests.filter(({ path }) => path.startsWith('nar/'));
  expect(first?.headers.range).toBeUndefined();
  expect(second).toMatchObject({
    status: 206,
    headers: { range: expect.stringMatching(/^bytes=[1-9]\d*-$/) },
  });
  expect(second?.headers['if-range']).toMatch(/^".+"$/);
});

test('the last error tells of all attempts', async () => {
  await using services = await memoryServices();
  const nar = [{ truncateAt: HALF }, { status: 503 }, forever({ reset: true })];
  await using cache = await faultyCache(directory, { nar });
  await using service = serviceOver(services, { baseUrl: cache.url, publicKeys: [publicKey] });
  const [result] = await service.ingest([STORE_PATH]);
  const again = expect.stringMatching(/^reset at byte [1-9]\d*$/);
  expect(result).toMatchObject({
    error: {
      code: 'UPSTREAM_FAILED',
      facts: { attempts: 5, failures: [again, 'status 503', 'reset', 'reset', 'reset'] },
    },
  });
  expect(Object(result).error.message).toMatch(/the connection broke \(5 attempts\)/);
});
