/**
 * All routes of a binary cache, uploads included: whatever is asked, there is an answer whose head agrees
 * with its body. An input is the text of a request:
 *
 *     GET /nar/….nar?x=y
 *     range: bytes=0-9
 *
 *     body
 */

import { utf8 } from '../../../src/bytes.ts';
import type { CacheResponse, HttpRoutes } from '../../../src/cacheRoutes/http.ts';
import { pinnedClosurePath } from '../../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { infusedNarUrl } from '../../../src/castore/infusedNarUrl.ts';
import { storeRoutes } from '../../../src/composition/serveStore.ts';
import { MemoryExtraFileService } from '../../../src/extraFiles/memoryExtraFileService.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { TrustPolicy } from '../../../src/pathinfo/trustPolicy.ts';
import { StorePath } from '../../../src/storePath.ts';
import { UploadTokens } from '../../../src/uploadTokens.ts';
import { memoryCache } from '../../cacheRoutes/memoryCache.ts';
import { narOf, readCacheFiles } from '../../support/cacheFiles.ts';
import { fixtureCache } from '../../support/fixtureCache.ts';
import { agree, Disagreement, type FuzzTarget, pureTarget } from '../target.ts';

const TOKEN = '0123456789abcdef';
const WORDS = [
  'GET ',
  'HEAD ',
  'PUT ',
  'POST ',
  '/',
  '//',
  '..',
  '%2e%2e',
  '%',
  '?',
  '&',
  '\0',
  '\n',
  'range: bytes=',
  '-',
  '0-0',
  '5-',
  '-5',
  '9007199254740993-',
  '0-1,3-4',
  'if-range: ',
  'if-none-match: *',
  '"',
  'W/"x"',
  '.narinfo',
  '.ls',
  '.nar',
  '.nar.zst',
  '/nar/',
  '/closure/',
  'nar/snix-castore/',
  '?narsize=',
  'nix-cache-info',
  `authorization: Bearer ${TOKEN}\n`,
  'content-encoding: gzip\n',
  'content-encoding: xz\n',
  '\n\n',
].map(utf8);
const METHODS = new Set(['GET', 'HEAD', 'PUT']);
const LIMITS = {
  ...DEFAULT_LIMITS,
  narBytes: 1024 * 1024,
  narEntries: 1000,
  directoryEntries: 1000,
};

async function routesOverFixture(): Promise<{ routes: HttpRoutes; seeds: Uint8Array[] }> {
  const files = await readCacheFiles(fixtureCache.directory);
  const cache = await memoryCache(files);
  const { blobService, directoryService, pathInfoService } = cache;
  const holdings = {
    blobs: blobService,
    directories: directoryService,
    pathInfos: pathInfoService,
    extraFiles: new MemoryExtraFileService(blobService),
    contentByNarHash: () => undefined,
    recordContent: () => {},
  };
  const tokens = UploadTokens.parse(TOKEN);
  const trust = new TrustPolicy([], { checkSignatures: false });
  const routes = storeRoutes(holdings, { uploads: { tokens, trust }, limits: LIMITS });
  const path = fixtureCache.path('text');
  const pathInfo = await pathInfoService.get(StorePath.parse(path.storePath).digest);
  if (pathInfo === undefined) throw new Error('the fixture has a text');
  const hashPart = path.storePath.slice(11, 43);
  const narinfo = Buffer.from(files.get(`${hashPart}.narinfo`) ?? []).toString();
  const nar = `nar/${path.narHash.slice('sha256:'.length)}.nar`;
  const auth = `authorization: Bearer ${TOKEN}\n`;
  const requests = [
    'GET /nix-cache-info\n\n',
    `GET /${hashPart}.narinfo\n\n`,
    `HEAD /${hashPart}.narinfo\nif-none-match: "x"\n\n`,
    `GET /${hashPart}.ls\n\n`,
    `GET /${nar}\nrange: bytes=8-15\n\n`,
    `GET /${nar}.zst\nrange: bytes=-5\nif-range: "x"\n\n`,
    `GET /${infusedNarUrl(pathInfo.node, path.narSize)}\n\n`,
    `GET ${pinnedClosurePath(pathInfo.closureDigest)}/nix-cache-info\n\n`,
    `GET ${pinnedClosurePath(pathInfo.closureDigest)}/${hashPart}.narinfo\n\n`,
    `PUT /${hashPart}.narinfo\n${auth}\n${narinfo}`,
    `PUT /${hashPart}.ls\n${auth}\n{"version":1,"root":{"type":"directory","entries":{}}}`,
    `PUT /log/${hashPart}-text.drv\n${auth}\nbuilt`,
    `GET /log/${hashPart}-text.drv\nrange: bytes=1-\n\n`,
    `PUT /debuginfo/0123456789abcdef0123456789abcdef01234567.debug\n${auth}\n{"archive":"../${nar}","member":"a"}`,
  ].map(utf8);
  const upload = Buffer.concat([utf8(`PUT /nar/x.nar\n${auth}\n`), await narOf(files, narinfo)]);
  return { routes, seeds: [...requests, upload] };
}

async function lengthOf({ body }: CacheResponse): Promise<number> {
  if (body === undefined) return 0;
  if (body instanceof Uint8Array) return body.length;
  let length = 0;
  for await (const piece of body) length += piece.length;
  return length;
}

/** Throws where head and body do not agree. */
async function checkAnswer(method: string, response: CacheResponse): Promise<void> {
  const { status, headers } = response;
  if (!(status >= 200 && status < 500)) throw new Disagreement(`status ${status}`);
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[a-z-]+$/.test(name) || /[\r\n\0]/.test(value))
      throw new Disagreement(`${name}: ${value}`);
  }
  const length = await lengthOf(response);
  if (method === 'HEAD' || status === 304) {
    agree('the body', 0, length);
    return;
  }
  const announced = headers['content-length'];
  if (announced !== undefined) agree('its length', Number(announced), length);
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
  if (status === 206) {
    const [first, last, total] = (range ?? []).slice(1).map(Number);
    if (first === undefined || last === undefined || total === undefined || last >= total) {
      throw new Disagreement(`content-range ${headers['content-range']}`);
    }
    agree('its range', last - first + 1, length);
  }
}

export async function routesTarget(): Promise<FuzzTarget> {
  const { routes, seeds } = await routesOverFixture();
  return pureTarget({
    name: 'routes',
    seeds,
    words: WORDS,
    async run(input) {
      const bytes = Buffer.from(input);
      const end = bytes.indexOf('\n\n');
      const head = bytes.subarray(0, end === -1 ? undefined : end).toString('latin1');
      const body = end === -1 ? new Uint8Array(0) : bytes.subarray(end + 2);
      const [line = '', ...fields] = head.split('\n');
      const [method = '', target = ''] = line.split(' ');
      const [path = '', query = ''] = target.split(/\?(.*)/s);
      const headers: Record<string, string> = {};
      for (const field of fields) {
        const [name = '', value = ''] = field.split(/: (.*)/s);
        headers[name.toLowerCase()] = value;
      }
      const response = await routes.handle({
        method,
        path,
        query: new URLSearchParams(query),
        headers,
        ...(method === 'PUT' ? { body: only(body) } : {}),
      });
      await checkAnswer(method, response);
      return `answered ${METHODS.has(method) ? method : 'another'} ${response.status}`;
    },
  });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
