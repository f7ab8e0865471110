/** Content by the nodes that URLs name, and the NAR itself where that fails. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import type { BlobService, ReadBlobOptions } from '../../src/castore/blobService.ts';
import { type Castore, copyNode } from '../../src/castore/copyNode.ts';
import type { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import {
  infusedNarUrl,
  parseInfusedNar,
  parseInfusedNarUrl,
} from '../../src/castore/infusedNarUrl.ts';
import { equalNodes, FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
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
import { upstreamsAt } from '../composition/upstreams.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf } from '../contracts/collect.ts';
import { noise } from '../contracts/sampleBytes.ts';
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
  await using filled = await fillFrom(store, {
    upstreams: await upstreamsAt(addresses, trustedKeys),
  });
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

const memory = () => ({
  blobService: new ProbedBlobService(),
  directoryService: new ProbedDirectoryService(),
});

const castoreOfStore = ({ blobs, directories }: TemporaryStore['store']): Castore => ({
  blobService: blobs,
  directoryService: directories,
});

/** A blob service whose methods may be replaced one by one. */
const boundBlobs = (service: BlobService): BlobService => ({
  has: service.has.bind(service),
  stat: service.stat.bind(service),
  read: service.read.bind(service),
  openWrite: service.openWrite.bind(service),
});

const insteadOfLarge = (node: Node) => (path: StorePath) => (path === LARGE ? node : nodeOf(path));

interface Setting {
  readonly castoreOf?: () => Castore | undefined;
  /** What the URL of a path names. */
  readonly named?: (path: StorePath) => Node;
  /** What the URL says of the NAR's size, in place of what was signed. */
  readonly toldSize?: (narSize: number) => number;
  readonly withNar?: boolean;
}

/** A cache whose narinfos name content, an empty store, and a service between them. */
async function setUp({
  castoreOf = () => castore,
  named = nodeOf,
  toldSize = (narSize) => narSize,
  withNar = false,
}: Setting = {}) {
  const files = new Map<string, Uint8Array>([['nix-cache-info', utf8('StoreDir: /nix/store\n')]]);
  for (const path of [LARGE, ODD]) {
    const file = `${hashPartOfPath(path.absolute)}.narinfo`;
    const narinfo = await readFile(join(fixtureCache.directory, file), 'utf8');
    const narSize = Number(/^NarSize: (\d+)$/m.exec(narinfo)?.[1]);
    const url = infusedNarUrl(named(path), toldSize(narSize));
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
    store,
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
    expect(await setting.store.pathInfos.get(LARGE.digest)).toBeUndefined();
    expect(await setting.service.get(ODD.digest)).toBeDefined();
  });

  test('is taken for a NAR where the URL tells of another size than was signed', async () => {
    await using setting = await setUp({ toldSize: (narSize) => narSize + 8, withNar: true });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(setting.fallbacks).toEqual(['NAR_SIZE_MISMATCH']);
    expect(setting.narRequests()).toBe(1);
  });

  test('is fetched no further than the signed size', async () => {
    const far = memory();
    const bytes = new Uint8Array(64 * 1024 * 1024);
    const huge = new FileNode(await writeBlob(far.blobService, bytes), bytes.length, false);
    const before = far.blobService.questions;
    await using setting = await setUp({
      castoreOf: () => far,
      named: insteadOfLarge(huge),
      withNar: true,
    });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(setting.fallbacks).toEqual(['LIMIT_EXCEEDED']);
    expect(far.blobService.questions).toBe(before);
    expect(await setting.store.blobs.has(huge.digest)).toBe(false);
  });

  test('that renders to more than was signed is not rendered', async () => {
    const far = memory();
    const bytes = noise(1000);
    let directory = new Directory([
      { name: utf8('f'), node: new FileNode(await writeBlob(far.blobService, bytes), 1000, false) },
    ]);
    await using putter = far.directoryService.openPut();
    await putter.put(directory);
    // some 5 MB: below every limit but that of what was signed
    for (let i = 0; i < 12; i++) {
      const { node } = directory;
      directory = new Directory(['a', 'b'].map((name) => ({ name: utf8(name), node })));
      await putter.put(directory);
    }
    await putter.close();
    const bomb = directory.node;
    await using setting = await setUp({
      castoreOf: () => far,
      named: insteadOfLarge(bomb),
      withNar: true,
    });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(setting.fallbacks).toEqual(['LIMIT_EXCEEDED']);
  });

  test('comes but for what is here already', async () => {
    const asked: string[] = [];
    const { blobService, directoryService } = castore;
    const watched = {
      directoryService,
      blobService: {
        ...boundBlobs(blobService),
        read(digest: Digest, options?: ReadBlobOptions) {
          asked.push(digest.hex);
          return blobService.read(digest, options);
        },
      },
    };
    await using setting = await setUp({ castoreOf: () => watched });
    const files: FileNode[] = [];
    const root = nodeOf(LARGE);
    if (root.type !== 'directory') throw new Error('large-1.0 is no directory');
    for await (const { entries } of directoryService.getRecursive(root.digest)) {
      for (const { node } of entries) if (node.type === 'file' && node.size > 0) files.push(node);
    }
    const [here] = files;
    if (here === undefined) throw new Error('large-1.0 has no files');
    await copyNode(here, { from: castore, to: castoreOfStore(setting.store) });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    const lacking = new Set(files.map(({ digest }) => digest.hex));
    lacking.delete(here.digest.hex);
    expect(asked.toSorted()).toEqual([...lacking].sort());
    expect(setting.narRequests()).toBe(0);
  });

  test('is given up for no NAR when nobody wants it any longer', async () => {
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const far = {
      ...memory(),
      directoryService: Object.assign(new ProbedDirectoryService(), {
        async *getRecursive() {
          abort.abort(reason);
          yield* [];
        },
      }),
    };
    await using setting = await setUp({ castoreOf: () => far, withNar: true });
    const { signal } = abort;
    await expect(setting.service.get(LARGE.digest, { signal })).rejects.toBe(reason);
    expect([setting.narRequests(), setting.fallbacks]).toEqual([0, []]);
  });

  test('that cannot be had whole comes as a NAR', async () => {
    const empty = memory();
    await using setting = await setUp({ castoreOf: () => empty, withNar: true });
    expect(await setting.service.get(LARGE.digest)).toBeDefined();
    expect(setting.narRequests()).toBe(1);
    expect(setting.fallbacks).toHaveLength(1);
    expect(setting.fallbacks[0]).toMatch(/^(?:BLOB|DIRECTORY)_MISSING$/);
  });

  test('is not looked for again at once where nobody answers', async () => {
    const down = memory();
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
