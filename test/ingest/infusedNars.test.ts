/** Content by the nodes that URLs name, and the NAR itself where that fails. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import type { Castore } from '../../src/castore/copyNode.ts';
import {
  infusedNarUrl,
  parseInfusedNar,
  parseInfusedNarUrl,
} from '../../src/castore/infusedNarUrl.ts';
import { equalNodes, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { fillFrom } from '../../src/composition/farServices.ts';
import { isNarthexError } from '../../src/errors.ts';
import { NixHTTPPathInfoService } from '../../src/httpService.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { parsePublicKeys } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import {
  outage,
  ProbedBlobService,
  ProbedDirectoryService,
} from '../castore/combinators/members.ts';
import { bytesOf } from '../contracts/collect.ts';
import { type TemporaryStore, temporaryStore } from '../store/temporaryStore.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';

const trustedKeys = parsePublicKeys(fixtureCache.publicKey);
const LARGE = StorePath.parse(fixtureCache.path('large-1.0').storePath);
const ODD = StorePath.parse(fixtureCache.path('odd-names-1.0').storePath);

let source: TemporaryStore;
let castore: Castore;
const nodes = new Map<StorePath, Node>();
beforeAll(async () => {
  source = await temporaryStore();
  const { store } = source;
  castore = { blobService: store.blobs, directoryService: store.directories };
  const addresses = [fixtureCache.directory];
  await using filled = await fillFrom(store, { addresses, trustedKeys });
  for (const path of [LARGE, ODD]) {
    const pathInfo = await filled.pathInfoService.get(path.digest);
    if (pathInfo !== undefined) nodes.set(path, pathInfo.node);
  }
});
afterAll(() => source[Symbol.asyncDispose]());

function nodeOf(path: StorePath): Node {
  const node = nodes.get(path);
  if (node === undefined) throw new Error(`${path} was not brought in`);
  return node;
}

interface Setting {
  readonly castoreOf?: () => Castore | undefined;
  /** What the URL of a path names. */
  readonly named?: (path: StorePath) => Node;
  readonly withNar?: boolean;
}

/** A cache whose narinfos name content, an empty store, and a service between them. */
async function setUp({ castoreOf = () => castore, named = nodeOf, withNar = false }: Setting = {}) {
  const files = new Map<string, Uint8Array>([['nix-cache-info', utf8('StoreDir: /nix/store\n')]]);
  for (const path of [LARGE, ODD]) {
    const file = `${hashPartOfPath(path.absolute)}.narinfo`;
    const narinfo = await readFile(join(fixtureCache.directory, file), 'utf8');
    const narSize = Number(/^NarSize: (\d+)$/m.exec(narinfo)?.[1]);
    const url = infusedNarUrl(named(path), narSize);
    const infused = narinfo
      .replace(/^URL: .*$/m, `URL: ${url}`)
      .replace(/^Compression: .*$/m, 'Compression: none')
      .replace(/^File(?:Hash|Size): .*\n/gm, '');
    files.set(file, utf8(infused));
    const nar = renderNar(nodeOf(path), castore);
    if (withNar) files.set(url.replace(/\?.*$/, ''), await bytesOf(nar));
  }
  const server = await serveStatic(files);
  const opened = await temporaryStore();
  const { store } = opened;
  const fallbacks: string[] = [];
  const service = new NixHTTPPathInfoService({
    baseUrl: server.url,
    trustedKeys,
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: store.pathInfos,
    castoreOf,
    onInfusedFallback: (error) => fallbacks.push(isNarthexError(error) ? error.code : 'other'),
  });
  return {
    service,
    fallbacks,
    narRequests: () => server.requests.filter(({ path }) => path.startsWith('nar/')).length,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

describe('content by nodes', () => {
  test('comes without its NAR', async () => {
    await using setting = await setUp();
    for (const path of [LARGE, ODD]) {
      const got = await setting.service.get(path.digest);
      expect(got && equalNodes(got.node, nodeOf(path))).toBe(true);
    }
    expect(setting.narRequests()).toBe(0);
    expect(setting.fallbacks).toEqual([]);
  });

  test('comes as a NAR where nobody offers castore', async () => {
    await using setting = await setUp({ castoreOf: () => undefined, withNar: true });
    expect((await setting.service.get(LARGE.digest))?.storePath.absolute).toBe(LARGE.absolute);
    expect(setting.narRequests()).toBe(1);
    expect(setting.fallbacks).toEqual([]);
  });

  test('that is another than was signed is not taken, but the NAR is', async () => {
    await using setting = await setUp({ named: () => nodeOf(ODD), withNar: false });
    await expect(setting.service.get(LARGE.digest)).rejects.toMatchObject({ code: 'NAR_MISSING' });
    expect(setting.fallbacks).toContain('NAR_HASH_MISMATCH');
    expect(await setting.service.get(ODD.digest)).toBeDefined();
  });

  test('that cannot be had whole comes as a NAR', async () => {
    const empty = {
      blobService: new ProbedBlobService(),
      directoryService: new ProbedDirectoryService(),
    };
    await using setting = await setUp({ castoreOf: () => empty, withNar: true });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(setting.narRequests()).toBe(1);
    expect(setting.fallbacks).toHaveLength(1);
    expect(setting.fallbacks[0]).toMatch(/^(?:BLOB|DIRECTORY)_MISSING$/);
  });

  test('is not looked for again at once where nobody answers', async () => {
    const down = {
      blobService: new ProbedBlobService(),
      directoryService: new ProbedDirectoryService(),
    };
    down.blobService.failure = outage('blobs');
    down.directoryService.failure = outage('directories');
    await using setting = await setUp({ castoreOf: () => down, withNar: true });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(await setting.service.get(ODD.digest)).toBeDefined();
    expect(setting.fallbacks).toEqual(['UPSTREAM_FAILED']);
  });
});

describe('an infused URL', () => {
  const node = new SymlinkNode(utf8('target'));
  const url = infusedNarUrl(node, 120);
  const [path = '', query = ''] = url.split('?');

  test('is read as it was written', () => {
    const read = parseInfusedNarUrl(url);
    expect(read && equalNodes(read.node, node)).toBe(true);
    expect(read?.narSize).toBe(120);
    expect(parseInfusedNarUrl(`https://cache/${url}`)?.narSize).toBe(120);
    expect(parseInfusedNarUrl(path)?.narSize).toBeUndefined();
  });

  test.each([
    ['padded', `${path}=`],
    ['of another alphabet', `${path}+`],
    ['cut off', path.slice(0, -4)],
    ['without an entry', 'nar/snix-castore/'],
    ['of something else', 'nar/snix-castore/AAAA'],
    ['elsewhere', path.replace('snix', 'other')],
    ['with something behind', `${path}/x`],
  ])('%s is none', (_, text) => {
    expect(parseInfusedNar(text, new URLSearchParams(query))).toBeUndefined();
  });

  test.each(['', '-1', '1e3', '01', '12345678901234567'])('has no size "%s"', (size) => {
    expect(parseInfusedNarUrl(`${path}?narsize=${size}`)?.narSize).toBeUndefined();
  });
});
