/**
 * Fifty tiny directories, each holding the next one twice, render to 2^50 files. Whatever takes them
 * refuses before it renders, or goes through each of them once.
 */
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { pinnedClosurePath } from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { copyNode } from '../../src/castore/copyNode.ts';
import { infusedNarUrl } from '../../src/castore/infusedNarUrl.ts';
import { FileNode, type Node } from '../../src/castore/node.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { diffNodes } from '../../src/diff/nodeDiff.ts';
import { GrpcDirectoryService } from '../../src/grpc/castore/grpcDirectoryService.ts';
import { type GrpcChannel, openChannel } from '../../src/grpc/channel.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { NarLayout } from '../../src/render/layout.ts';
import { measureNar } from '../../src/render/measureNar.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { restore } from '../../src/render/restore.ts';
import { Store } from '../../src/store/store.ts';
import { UploadTokens } from '../../src/uploadTokens.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { codeOf } from '../ingest/serviceHarness.ts';
import {
  type ContentServices,
  memoryServices,
  putBlob,
  putDirectory,
} from '../render/castoreTree.ts';
import { type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { hashPartOfPath } from '../support/fixtureCache.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

/** More would have sizes above 2^53, which no directory may have. */
const LEVELS = 50;
const TOKEN = 'token-of-the-tests-0123';

/** The bomb, every directory of it with the size that it has. */
async function putBomb(services: ContentServices): Promise<Node> {
  let node: Node = new FileNode(await putBlob(services.blobService, utf8('x')), 1, false);
  for (let level = 0; level < LEVELS; level++) {
    const names = ['a', 'b'].map(utf8);
    const child = node;
    node = await putDirectory(
      services.directoryService,
      names.map((name) => [name, child] as const),
    );
  }
  return node;
}

const all = (source: AsyncIterable<unknown>) => Array.fromAsync(source);

describe('a function', () => {
  test.each<[name: string, call: (node: Node, services: ContentServices) => Promise<unknown>]>([
    ['renderNar', (node, services) => all(renderNar(node, services))],
    ['measureNar', (node, services) => measureNar(node, services)],
    // of which listings, the zstd form and ranges are made
    ['NarLayout', (node, { directoryService }) => NarLayout.of(node, directoryService)],
  ])('%s refuses before it reads a blob', async (_, call) => {
    const services = memoryServices();
    const node = await putBomb(services);
    const blobService = Object.create(services.blobService, {
      read: {
        value: () => {
          throw new Error('a blob is read');
        },
      },
    });
    expect(await codeOf(call(node, { ...services, blobService }))).toBe('LIMIT_EXCEEDED');
  });

  test('restore refuses before it makes anything', async () => {
    await using directory = await temporaryDirectory('bomb');
    const services = memoryServices();
    const restoring = restore(await putBomb(services), join(directory.path, 'x', 'y'), services);
    // that the directory above is not there shows later
    expect(await codeOf(restoring)).toBe('LIMIT_EXCEEDED');
  });

  test('copyNode and diffNodes go through each directory once', async () => {
    const services = memoryServices();
    const node = await putBomb(services);
    const to = memoryServices();
    await copyNode(node, { from: services, to });
    const { directoryService } = to;
    const directories = { a: directoryService, b: directoryService };
    const other = await putBlob(to.blobService, utf8('y'));
    const changes = await all(diffNodes(node, new FileNode(other, 1, false), { directories }));
    expect(changes.length).toBeLessThan(3 * LEVELS);
  });
});

describe('a store that has one', () => {
  let cli: TemporaryCli;
  let bomb: PathInfo;
  beforeAll(async () => {
    cli = await temporaryCli();
    await using store = await Store.open(cli.storeDirectory);
    const services = { blobService: store.blobs, directoryService: store.directories };
    bomb = pathInfoOf({ name: 'bomb', node: await putBomb(services) });
    await store.pathInfos.put(bomb);
    store.recordContent(bomb.claim.narHash, { node: bomb.node, narSize: bomb.claim.narSize });
  });
  afterAll(() => cli[Symbol.asyncDispose]());

  test.each<[args: readonly string[], exitCode: number]>([
    [['nar'], 1],
    [['restore', 'TARGET'], 1],
    [['ls', '--long'], 0], // of one directory
    [['info'], 0],
    [['stats'], 0],
  ])('on the command line: %s exits with %i', async ([command = '', ...args], exitCode) => {
    const path = command === 'stats' ? [] : [bomb.storePath.absolute];
    const targets = args.map((arg) => (arg === 'TARGET' ? join(cli.directory, 'x') : arg));
    const flags = targets.filter((one) => one.startsWith('--'));
    const others = targets.filter((one) => !one.startsWith('--'));
    const result = await cli.run([command, ...flags, ...path, ...others]);
    expect(result.exitCode).toBe(exitCode);
    if (exitCode === 1) expect(result.stderr).toMatch(/\[LIMIT_EXCEEDED\]$/m);
  });

  /** The store on a port. */
  async function served() {
    await using stack = new AsyncDisposableStack();
    const store = stack.use(await Store.open(cli.storeDirectory));
    const trust = new TrustPolicy([], { checkSignatures: false });
    const uploads = { tokens: UploadTokens.parse(TOKEN), trust };
    const server = stack.use(await serveStore(store, { uploads }));
    const channel: GrpcChannel = stack.use(openChannel(server.url, { token: TOKEN }));
    const owned = stack.move();
    return { server, channel, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  test.each<[what: string, path: () => string, status: number]>([
    ['its listing', () => `/${hashPartOfPath(bomb.storePath.absolute)}.ls`, 500],
    ['its NAR', () => `/nar/${narHash()}.nar`, 500],
    ['its NAR as zstd', () => `/nar/${narHash()}.nar.zst`, 500],
    ['its NAR by its node', () => `/${infusedNarUrl(bomb.node, 2 ** 50)}`, 400],
    [
      'its NAR by its closure',
      () => `${pinnedClosurePath(bomb.closureDigest)}/nar/${narHash()}.nar`,
      500,
    ],
  ])('over HTTP: %s', async (_, path, status) => {
    await using serving = await served();
    const response = await request(`${serving.server.url}${path()}`);
    expect(response.statusCode).toBe(status);
    expect(await response.body.text()).toMatch(/^LIMIT_EXCEEDED/);
  });
  const narHash = () => bomb.claim.narHash.toNixbase32().replace(/^sha256:/, '');

  test('over gRPC: CalculateNAR refuses', async () => {
    await using serving = await served();
    const service = new GrpcPathInfoService(serving.channel, { trust: 'peer' });
    await expect(service.calculateNar(bomb.node)).rejects.toThrow(/LIMIT_EXCEEDED|limit/);
  });

  test('over gRPC: a PathInfo of it is not taken', async () => {
    await using serving = await served();
    const service = new GrpcPathInfoService(serving.channel, { trust: 'peer' });
    const another = pathInfoOf({ name: 'another', content: 'another', node: bomb.node });
    await expect(service.put(another)).rejects.toThrow();
    expect(await service.get(another.storePath.digest)).toBeUndefined();
  });

  test('over gRPC: all its directories come, each once', async () => {
    await using serving = await served();
    if (bomb.node.type !== 'directory') throw new Error('it is one');
    const directories = new GrpcDirectoryService(serving.channel).getRecursive(bomb.node.digest);
    expect(await all(directories)).toHaveLength(LEVELS);
  });
});
