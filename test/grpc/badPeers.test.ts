/** Peers that answer something else than they were asked, or nothing more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { castoreServices } from '../../src/grpc/castore/castoreServices.ts';
import { GrpcBlobService } from '../../src/grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../../src/grpc/castore/grpcDirectoryService.ts';
import type { ChannelOptions } from '../../src/grpc/channel.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import { storeServices } from '../../src/grpc/store/storeServices.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { bytesOf, itemsOf } from '../contracts/collect.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { loopback } from './loopback.ts';

const asked = pathInfoOf({ name: 'asked' });
const other = pathInfoOf({ name: 'other' });
const variant = pathInfoOf({ name: 'asked', content: 'another' });
const never = new Promise<never>(() => {});

describe('a peer that tells something else than it was asked', () => {
  /** It has `told` under every key. */
  async function telling(told: typeof asked, { knowsVariants = true } = {}) {
    const pathInfos = new MemoryPathInfoService();
    pathInfos.get = async () => told;
    pathInfos.getVariant = async () => told;
    pathInfos.getByClosureDigest = async () => told;
    pathInfos.listVariants = async function* () {
      yield told;
    };
    const register = storeServices({
      pathInfoService: pathInfos,
      measureNar: () => Promise.reject(new Error('nothing is measured')),
    });
    const peer = await loopback({
      services: [
        (router) =>
          register({
            ...router,
            service: (type, ...rest) =>
              knowsVariants || !type.typeName.startsWith('narthex.')
                ? router.service(type, ...rest)
                : router,
          }),
      ],
    });
    return {
      service: new GrpcPathInfoService(peer.channel, { trust: 'peer' }),
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  }
  const { digest } = asked.storePath;

  test.each<[what: string, ask: (service: GrpcPathInfoService) => Promise<unknown>]>([
    ['get', (service) => service.get(digest)],
    ['getVariant', (service) => service.getVariant(digest, asked.closureDigest)],
    ['listVariants', (service) => itemsOf(service.listVariants(digest))],
  ])('another path: %s', async (_, ask) => {
    await using peer = await telling(other);
    await expect(ask(peer.service)).rejects.toMatchObject({
      code: 'STORE_PATH_MISMATCH',
      facts: { expected: asked.storePath.hashPart, actual: other.storePath.baseName },
    });
  });

  test('another path, where it knows no variants', async () => {
    await using peer = await telling(other, { knowsVariants: false });
    await expect(peer.service.get(digest)).rejects.toMatchObject({ code: 'STORE_PATH_MISMATCH' });
  });

  test.each<[what: string, ask: (service: GrpcPathInfoService) => Promise<unknown>]>([
    ['getVariant', (service) => service.getVariant(digest, asked.closureDigest)],
    ['getByClosureDigest', (service) => service.getByClosureDigest(asked.closureDigest)],
  ])('another variant: %s', async (_, ask) => {
    await using peer = await telling(variant);
    await expect(ask(peer.service)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      facts: { expected: String(asked.closureDigest), actual: String(variant.closureDigest) },
    });
  });
});

describe('a peer that falls silent is given up', () => {
  /** Its blobs begin and never end; of directories and paths nothing comes at all. */
  async function silentPeer(options: ChannelOptions) {
    const blobService = new MemoryBlobService();
    blobService.read = async () =>
      (async function* () {
        yield new Uint8Array(10);
        await never;
      })();
    const directoryService = new MemoryDirectoryService();
    directoryService.get = () => never;
    const pathInfoService = new MemoryPathInfoService();
    pathInfoService.list = async function* () {
      yield asked;
      await never;
    };
    const measureNar = () => never;
    const services = [
      castoreServices({ blobService, directoryService }),
      storeServices({ pathInfoService, measureNar }),
    ];
    return await loopback({ services }, options);
  }
  const digest = Digest.of(new Uint8Array(1));

  test.each<
    [what: string, ask: (peer: Awaited<ReturnType<typeof silentPeer>>) => Promise<unknown>]
  >([
    [
      'a blob',
      async ({ channel }) => {
        const bytes = await new GrpcBlobService(channel).read(digest);
        if (bytes === undefined) throw new Error('it has one');
        return await bytesOf(bytes);
      },
    ],
    ['a directory', ({ channel }) => new GrpcDirectoryService(channel).get(digest)],
    ['paths', ({ channel }) => itemsOf(new GrpcPathInfoService(channel, { trust: 'peer' }).list())],
  ])('in the middle of %s', async (_, ask) => {
    await using peer = await silentPeer({ timeoutMs: 300 });
    await expect(ask(peer)).rejects.toMatchObject({
      code: 'PEER_FAILED',
      facts: { url: peer.url, status: 'DeadlineExceeded' },
    });
  });

  test('and not where it is the reader who takes his time', async () => {
    const pathInfoService = new MemoryPathInfoService();
    await pathInfoService.putAll([asked, other]);
    const measureNar = () => never;
    const services = [storeServices({ pathInfoService, measureNar })];
    await using peer = await loopback({ services }, { timeoutMs: 500 });
    const told: string[] = [];
    for await (const { storePath } of new GrpcPathInfoService(peer.channel, {
      trust: 'peer',
    }).list()) {
      told.push(storePath.absolute);
      await sleep(700);
    }
    expect(told.sort()).toEqual([asked.storePath.absolute, other.storePath.absolute].sort());
  });
});
