/** Peers of other make: grpc-js, and one that knows no references by content as snix. */
import { fileURLToPath } from 'node:url';
import { toBinary } from '@bufbuild/protobuf';
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { castoreServices } from '../../src/grpc/castore/castoreServices.ts';
import { GrpcBlobService } from '../../src/grpc/castore/grpcBlobService.ts';
import { openChannel } from '../../src/grpc/channel.ts';
import {
  PathInfoSchema,
  type PathInfo as ProtoPathInfo,
} from '../../src/grpc/gen/snix/store/v1/pathinfo_pb.ts';
import { healthService } from '../../src/grpc/health.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import { pathInfoToProto } from '../../src/grpc/store/pathInfoConversion.ts';
import { storeServices } from '../../src/grpc/store/storeServices.ts';
import { hashBytes } from '../../src/hash.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { UnresolvedPathInfo } from '../../src/pathinfo/unresolvedPathInfo.ts';
import { SecretKey } from '../../src/signature.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf, itemsOf } from '../contracts/collect.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { loopback } from './loopback.ts';

const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));
/** Each service as grpc-js sees it. */
function serviceOf(file: string, path: readonly string[]): ServiceClientConstructor {
  let at: unknown = loadPackageDefinition(loadSync(file, { includeDirs: [PROTO] }));
  for (const part of path) at = (at as Record<string, unknown>)[part]; // packages nest
  return at as ServiceClientConstructor; // what the path names
}
const Blobs = serviceOf('snix/castore/v1/rpc_blobstore.proto', [
  'snix',
  'castore',
  'v1',
  'BlobService',
]);
const Paths = serviceOf('snix/store/v1/rpc_pathinfo.proto', [
  'snix',
  'store',
  'v1',
  'PathInfoService',
]);
const Health = serviceOf('grpc/health/v1/health.proto', ['grpc', 'health', 'v1', 'Health']);

const measureNar = async () => ({ narSize: 7, narHash: hashBytes('sha256', utf8('nar')) });
const TOKEN = 'a token of the tests';
const authorize = (header: string | undefined) => (header === `Bearer ${TOKEN}` ? 'ci' : undefined);

const libc = pathInfoOf({ name: 'libc', selfReferring: true });
const zlib = pathInfoOf({ name: 'zlib', references: [libc] });
const app = pathInfoOf({ name: 'app', references: [zlib, libc] });

describe('a client of other make', () => {
  async function serve() {
    const blobService = new MemoryBlobService();
    const pathInfoService = new MemoryPathInfoService();
    await pathInfoService.putAll([libc, zlib, app]);
    const server = await loopback({
      services: [
        castoreServices({
          blobService,
          directoryService: new MemoryDirectoryService(),
          authorize,
        }),
        storeServices({ pathInfoService, measureNar }),
        healthService(['snix.store.v1.PathInfoService']),
      ],
    });
    const address = server.url.replace('http://', '');
    return { blobService, server, address };
  }

  test('reads blobs, and puts them with the token only', async () => {
    const { blobService, server, address } = await serve();
    await using _ = server;
    const client = new Blobs(address, credentials.createInsecure());
    const bytes = noise(3_000_000);
    const digest = await writeBlob(blobService, bytes);
    const pieces: Buffer[] = [];
    for await (const { data } of client['Read']?.call(client, { digest: digest.bytes }) ?? [])
      pieces.push(data);
    expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024);

    const put = (token: string | undefined) =>
      new Promise<unknown>((resolve) => {
        const metadata = new Metadata();
        if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
        const call = client['Put']?.call(client, metadata, (error: unknown, answer: unknown) =>
          resolve(error ?? answer),
        );
        call.on('error', () => {});
        call.write({ data: utf8('hello') });
        call.end();
      });
    expect(await put(undefined)).toMatchObject({ code: 16 });
    expect(await put('another')).toMatchObject({ code: 16 });
    expect(await blobService.has(Digest.of(utf8('hello')))).toBe(false);
    expect(await put(TOKEN)).toMatchObject({ digest: Buffer.from(Digest.of(utf8('hello')).bytes) });
    expect(await blobService.has(Digest.of(utf8('hello')))).toBe(true);
    client.close();
  });

  test('reads PathInfos, is told what is wrong, and learns of health', async () => {
    const { server, address } = await serve();
    await using _ = server;
    const client = new Paths(address, credentials.createInsecure());
    const health = new Health(address, credentials.createInsecure());
    const ask = (on: typeof client, method: string, request: object) =>
      new Promise<unknown>((resolve) => {
        on[method]?.call(on, request, (error: unknown, answer: unknown) =>
          resolve(error ?? answer),
        );
      });
    const got = await ask(client, 'Get', { byOutputHash: app.storePath.digest });
    expect(got).toMatchObject({
      narinfo: { referenceNames: app.claim.references.map((r) => r.baseName) },
    });
    expect(await ask(client, 'Get', { byOutputHash: new Uint8Array(20) })).toMatchObject({
      code: 5,
    });
    expect(await ask(client, 'Get', { byOutputHash: new Uint8Array(19) })).toMatchObject({
      code: 3,
      details: expect.stringContaining('by_output_hash'),
    });
    expect(await ask(client, 'Put', pathInfoToProto(app))).toMatchObject({ code: 7 });
    const calculated = await ask(client, 'CalculateNAR', { symlink: { target: utf8('x') } });
    expect(calculated).toMatchObject({
      narSha256: Buffer.from(hashBytes('sha256', utf8('nar')).digest),
    });
    const named = { symlink: { name: utf8('x'), target: utf8('x') } };
    expect(await ask(client, 'CalculateNAR', named)).toMatchObject({ code: 3 });
    expect(await ask(health, 'Check', { service: '' })).toMatchObject({ status: 1 });
    expect(await ask(health, 'Check', { service: 'nothing' })).toMatchObject({ code: 5 });
    client.close();
    health.close();
  });
});

/** A message as grpc-js has it. */
function asPeerMessage(message: ProtoPathInfo): object {
  return Paths.service['Get']?.responseDeserialize(
    Buffer.from(toBinary(PathInfoSchema, message)),
  ) as object; // grpc-js types messages as any
}

/** A grpc-js server that knows only what snix knows. */
async function snixLike(pathInfos: readonly PathInfo[]) {
  const asked: string[] = [];
  const server = new Server();
  server.addService(Paths.service, {
    Get(
      call: { request: { byOutputHash: Buffer } },
      answer: (error: object | null, value?: object) => void,
    ) {
      const found = pathInfos.find(({ storePath }) =>
        call.request.byOutputHash.equals(storePath.digest),
      );
      if (found === undefined) return answer({ code: 5, details: 'not here' });
      asked.push(found.storePath.name);
      const message = pathInfoToProto(new UnresolvedPathInfo(found.claim, found.node));
      answer(null, asPeerMessage(message));
    },
    List(call: { write(value: unknown): void; end(): void }) {
      for (const { claim, node } of pathInfos) {
        const message = pathInfoToProto(new UnresolvedPathInfo(claim, node));
        call.write(asPeerMessage(message));
      }
      call.end();
    },
  });
  server.addService(Blobs.service, {
    Read(call: { write(value: unknown): void; end(): void }) {
      call.write({ data: Buffer.from('not what was asked for') });
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const channel = openChannel(`http://127.0.0.1:${port}`);
  return {
    asked,
    channel,
    async [Symbol.asyncDispose]() {
      channel[Symbol.dispose]();
      server.forceShutdown();
    },
  };
}

describe('a peer that knows no references by content', () => {
  test('is asked for each of them once, and the edges are unchecked', async () => {
    await using peer = await snixLike([libc, zlib, app]);
    const service = new GrpcPathInfoService(peer.channel, { trust: 'peer' });
    const got = await service.get(app.storePath.digest);
    expect(got?.closureDigest.hex).toBe(app.closureDigest.hex);
    expect([...(got?.references.values() ?? [])].map(({ evidence }) => evidence)).toEqual([
      'unchecked',
      'unchecked',
    ]);
    expect(peer.asked.sort()).toEqual(['app', 'libc', 'zlib']);
    expect(await service.has(libc.storePath.digest)).toBe(true);
    expect(await itemsOf(service.listVariants(app.storePath.digest))).toHaveLength(1);
    expect(await itemsOf(service.list())).toHaveLength(3);
    const variant = await service.getVariant(app.storePath.digest, app.closureDigest);
    expect(variant?.closureDigest.hex).toBe(app.closureDigest.hex);
    await expect(service.getByClosureDigest(app.closureDigest)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(service.put(app)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('that lacks a reference', async () => {
    await using peer = await snixLike([zlib, app]);
    const service = new GrpcPathInfoService(peer.channel, { trust: 'peer' });
    await expect(service.get(app.storePath.digest)).rejects.toMatchObject({
      code: 'REFERENCE_MISSING',
      facts: { reference: libc.storePath.baseName },
    });
  });

  test('whose paths refer to each other in a circle', async () => {
    const one = pathInfoOf({ name: 'one' });
    const two = pathInfoOf({ name: 'two', references: [one] });
    const again = pathInfoOf({ name: 'one', references: [two] });
    await using peer = await snixLike([again, two]);
    const service = new GrpcPathInfoService(peer.channel, { trust: 'peer' });
    await expect(service.get(two.storePath.digest)).rejects.toMatchObject({
      code: 'REFERENCE_CYCLE',
    });
  });

  test('is believed what a trusted key has signed, and nothing else', async () => {
    await using peer = await snixLike([libc]);
    const { publicKey } = SecretKey.generate('trusted-1');
    const service = new GrpcPathInfoService(peer.channel, { trust: new TrustPolicy([publicKey]) });
    await expect(service.get(libc.storePath.digest)).rejects.toMatchObject({
      code: 'SIGNATURE_MISSING',
    });
  });

  test('gives another blob than was asked for', async () => {
    await using peer = await snixLike([]);
    const blobs = new GrpcBlobService(peer.channel);
    await expect(bytesOf(await blobs.read(Digest.of(utf8('asked'))))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});

test('a peer that is not there is a failure and no absence', async () => {
  const server = await loopback({ services: [] });
  const { url } = server;
  await server[Symbol.asyncDispose]();
  using channel = openChannel(url);
  const service = new GrpcPathInfoService(channel, { trust: 'peer' });
  const failed = { code: 'PEER_FAILED', facts: { url, status: 'Unavailable' } };
  await expect(service.get(app.storePath.digest)).rejects.toMatchObject(failed);
  await expect(service.has(app.storePath.digest)).rejects.toMatchObject(failed);
  await expect(new GrpcBlobService(channel).has(Digest.of(utf8('x')))).rejects.toMatchObject(
    failed,
  );
});

test.each(['ftp://host', 'host:80', ''])("'%s' is no address of a peer", (address) => {
  expect(() => openChannel(address)).toThrow(
    expect.objectContaining({ code: 'UPSTREAM_URL_INVALID' }),
  );
});
