/** NARs by their root node: what is here and is as it is said to be, and nothing else. */
import { beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { BinaryCacheRoutes } from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import type { CacheResponse } from '../../src/cacheRoutes/http.ts';
import { Digest } from '../../src/castore/digest.ts';
import { infusedNarUrl } from '../../src/castore/infusedNarUrl.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { hashBytes } from '../../src/hash.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { narSize } from '../../src/render/layout.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { ProbedBlobService, ProbedDirectoryService } from '../castore/combinators/members.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { putBlob, putDirectory } from '../render/castoreTree.ts';
import { collect } from '../render/collect.ts';
import { readCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { type MemoryCache, memoryCache } from './memoryCache.ts';

const CONTENTS = noise(70_000);

async function setUp() {
  const services = {
    blobService: new ProbedBlobService(),
    directoryService: new ProbedDirectoryService(),
  };
  const pathInfoService = new MemoryPathInfoService();
  const routes = new BinaryCacheRoutes({ ...services, pathInfoService });
  const file = new FileNode(await putBlob(services.blobService, CONTENTS), CONTENTS.length, true);
  const below = await putDirectory(services.directoryService, [[utf8('file'), file]]);
  const root = await putDirectory(services.directoryService, [
    [utf8('a'), below],
    [utf8('b'), below],
    [utf8('link'), new SymlinkNode(utf8('a/file'))],
  ]);
  return { ...services, routes, file, root };
}

function ask(
  routes: BinaryCacheRoutes,
  url: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<CacheResponse> {
  const [path = '', query = ''] = url.split('?');
  return routes.handle({ method, path: `/${path}`, query: new URLSearchParams(query), headers });
}

async function bodyOf({ body }: CacheResponse): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : collect(body);
}

describe('a NAR by its root node', () => {
  test.each(['directory', 'file', 'symlink'] as const)('is rendered of a %s', async (type) => {
    const { routes, root, file, ...services } = await setUp();
    const nodes = { directory: root, file, symlink: new SymlinkNode(utf8('target')) };
    const expected = await collect(renderNar(nodes[type], services));
    const url = infusedNarUrl(nodes[type], expected.length);
    const response = await ask(routes, url);
    expect(response.status).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'application/x-nix-nar',
      'content-length': String(expected.length),
      'accept-ranges': 'bytes',
    });
    expect(Buffer.compare(await bodyOf(response), expected)).toBe(0);
  });

  test('is given in ranges, described by HEAD, and not sent to whoever has it', async () => {
    const { routes, root, ...services } = await setUp();
    const nar = await collect(renderNar(root, services));
    const url = infusedNarUrl(root, nar.length);
    const part = await ask(routes, url, 'GET', { range: 'bytes=60000-100000' });
    expect(part.status).toBe(206);
    expect(part.headers['content-range']).toBe(`bytes 60000-100000/${nar.length}`);
    expect(Buffer.compare(await bodyOf(part), nar.subarray(60_000, 100_001))).toBe(0);
    const head = await ask(routes, url, 'HEAD');
    expect([head.status, head.body]).toEqual([200, undefined]);
    expect(head.headers['content-length']).toBe(String(nar.length));
    const etag = head.headers['etag'] ?? '';
    expect((await ask(routes, url, 'GET', { 'if-none-match': etag })).status).toBe(304);
    expect((await ask(routes, url, 'PUT')).status).toBe(405);
  });

  test('is looked for once, not for every range', async () => {
    const { routes, root, blobService, ...services } = await setUp();
    const url = infusedNarUrl(root, await narSize(root, services.directoryService));
    await ask(routes, url, 'HEAD');
    const before = blobService.questions;
    await ask(routes, url, 'HEAD');
    expect(blobService.questions).toBe(before);
  });
});

describe('a node that is not here, or not so', () => {
  type Setting = Awaited<ReturnType<typeof setUp>>;
  const absent = new FileNode(Digest.of(utf8('absent')), 6, false);
  const rows: [name: string, status: number, node: (setting: Setting) => Node | Promise<Node>][] = [
    ['a file', 404, () => absent],
    ['a directory', 404, () => new DirectoryNode(Digest.of(utf8('absent')), 1)],
    [
      'a directory without one of its blobs',
      404,
      ({ directoryService }) => putDirectory(directoryService, [[utf8('f'), absent]]),
    ],
    ['a file said to be shorter', 400, ({ file }) => new FileNode(file.digest, 69_999, true)],
    ['a file said to be longer', 400, ({ file }) => new FileNode(file.digest, 70_001, true)],
    ['a file said to be empty', 400, ({ file }) => new FileNode(file.digest, 0, true)],
    [
      'a directory whose file is said to be longer',
      400,
      ({ directoryService, file }) =>
        putDirectory(directoryService, [[utf8('f'), new FileNode(file.digest, 70_001, true)]]),
    ],
    ['a directory of another size', 400, ({ root }) => new DirectoryNode(root.digest, 3)],
  ];
  test.each(rows)('%s is answered with %i', async (_, status, nodeOf) => {
    const setting = await setUp();
    const node = await nodeOf(setting);
    // of what is not here nobody can tell
    const size = await narSize(node, setting.directoryService).catch(() => 1000);
    const response = await ask(setting.routes, infusedNarUrl(node, size));
    expect(response.status).toBe(status);
    expect(response.headers['cache-control']).toBe('no-store');
  });

  test('is there once what was missing has come', async () => {
    const { routes, directoryService, blobService } = await setUp();
    const node = await putDirectory(directoryService, [[utf8('f'), absent]]);
    const url = infusedNarUrl(node, await narSize(node, directoryService));
    expect((await ask(routes, url)).status).toBe(404);
    await putBlob(blobService, utf8('absent'));
    expect((await ask(routes, url)).status).toBe(200);
  });

  test('of another narsize is answered with 400, and so is one without', async () => {
    const { routes, root, directoryService } = await setUp();
    const size = await narSize(root, directoryService);
    const url = infusedNarUrl(root, size);
    expect((await ask(routes, infusedNarUrl(root, size + 8))).status).toBe(400);
    expect((await ask(routes, url.replace(/\?.*$/, ''))).status).toBe(400);
    expect((await ask(routes, url.replace(/narsize=/, 'narsize=0'))).status).toBe(400);
  });

  test('that renders to more than may be is refused before a blob is looked for', async () => {
    const { routes, root, directoryService, blobService } = await setUp();
    let node: DirectoryNode = root;
    for (let i = 0; i < 40; i++) {
      node = await putDirectory(directoryService, [
        [utf8('a'), node],
        [utf8('b'), node],
      ]);
    }
    const before = blobService.questions;
    const response = await ask(routes, infusedNarUrl(node, 1_000_000));
    expect(response.status).toBe(400);
    expect(String(await bodyOf(response))).toMatch(/^LIMIT_EXCEEDED/);
    expect(blobService.questions).toBe(before);
  });

  test('whose services fail is a failure, not absent', async () => {
    const { routes, root, directoryService, blobService } = await setUp();
    const url = infusedNarUrl(root, await narSize(root, directoryService));
    blobService.failure = new Error('the disk is gone');
    await expect(ask(routes, url)).rejects.toBe(blobService.failure);
  });
});

describe('narinfos with infused URLs', () => {
  let cache: MemoryCache;
  beforeAll(async () => {
    cache = await memoryCache(await readCacheFiles(fixtureCache.directory));
  });

  test.each(fixtureCache.closure)('name the NAR of %s, uncompressed', async (storePath) => {
    const routes = new BinaryCacheRoutes({ ...cache, narUrls: 'infused', compression: 'zstd' });
    const narinfo = await ask(routes, `${hashPartOfPath(storePath)}.narinfo`);
    const info = parseNarInfo(await bodyOf(narinfo));
    expect(info.url).toMatch(/^nar\/snix-castore\/[\w-]+\?narsize=\d+$/);
    expect([info.compression, info.fileHash, info.fileSize]).toEqual([
      'none',
      undefined,
      undefined,
    ]);
    const nar = await bodyOf(await ask(routes, info.url));
    expect(nar).toHaveLength(info.narSize);
    expect(String(hashBytes('sha256', nar))).toBe(String(info.narHash));
  });
});
