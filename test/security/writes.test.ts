/** Writes over the network: who may, how much, and what is left of those that break off. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { serveStore } from '../../src/composition/serveStore.ts';
import { type GrpcChannel, openChannel } from '../../src/grpc/channel.ts';
import { VariantService } from '../../src/grpc/gen/narthex/store/v1/rpc_variant_pb.ts';
import { BlobService } from '../../src/grpc/gen/snix/castore/v1/rpc_blobstore_pb.ts';
import { DirectoryService } from '../../src/grpc/gen/snix/castore/v1/rpc_directory_pb.ts';
import { PathInfoService } from '../../src/grpc/gen/snix/store/v1/rpc_pathinfo_pb.ts';
import { MAX_MESSAGE_BYTES } from '../../src/grpc/limits.ts';
import { pathInfoToProto } from '../../src/grpc/store/pathInfoConversion.ts';
import { variantToProto } from '../../src/grpc/store/variantConversion.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { UploadTokens } from '../../src/uploadTokens.ts';
import { itemsOf } from '../contracts/collect.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { directory, encodeNar, file } from '../support/syntheticTree.ts';

const TOKEN = 'token-of-the-tests-0123';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
const NARINFO = `${'0'.repeat(32)}.narinfo`;

/** An empty store on a port, which takes uploads if `tokens` says from whom. */
async function served(tokens: string | undefined) {
  await using stack = new AsyncDisposableStack();
  const { store } = stack.use(await temporaryStore());
  const trust = new TrustPolicy([], { checkSignatures: false });
  const uploads = tokens === undefined ? undefined : { tokens: UploadTokens.parse(tokens), trust };
  const server = stack.use(await serveStore(store, { uploads }));
  const owned = stack.move();
  return { store, server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('whoever has no token changes nothing over gRPC', () => {
  const pathInfo = pathInfoOf({ name: 'evil' });
  const key = { digest: pathInfo.storePath.digest, closureDigest: pathInfo.closureDigest.bytes };
  async function* only<T>(message: T) {
    yield message;
  }
  type Transport = GrpcChannel['transport'];
  const calls: readonly [name: string, call: (transport: Transport) => Promise<unknown>][] = [
    [
      'BlobService/Put',
      (to) => createClient(BlobService, to).put(only({ data: new Uint8Array(9) })),
    ],
    ['DirectoryService/Put', (to) => createClient(DirectoryService, to).put(only({}))],
    [
      'PathInfoService/Put',
      (to) => createClient(PathInfoService, to).put(pathInfoToProto(pathInfo)),
    ],
    [
      'VariantService/Put',
      (to) => itemsOf(createClient(VariantService, to).put(only(variantToProto(pathInfo)))),
    ],
    ['VariantService/Prefer', (to) => createClient(VariantService, to).prefer(key)],
  ];

  /** The status that a call fails with. */
  async function statusOf(call: (to: Transport) => Promise<unknown>, url: string, token?: string) {
    using channel = openChannel(url, { token });
    try {
      return await call(channel.transport);
    } catch (error) {
      return ConnectError.from(error).code;
    }
  }

  test.each(calls)('%s', async (_, call) => {
    await using closed = await served(undefined);
    await using open = await served(TOKEN);
    expect(await statusOf(call, closed.server.url, TOKEN)).toBe(Code.PermissionDenied);
    expect(await statusOf(call, open.server.url)).toBe(Code.Unauthenticated);
    expect(await statusOf(call, open.server.url, `${TOKEN}x`)).toBe(Code.Unauthenticated);
    for (const { store } of [closed, open]) {
      expect(await store.stats()).toMatchObject({ chunks: 0 });
      expect(await itemsOf(store.pathInfos.list())).toEqual([]);
    }
  });
});

describe('an upload of too much', () => {
  test.each<[name: string, body: Uint8Array, headers: Record<string, string>]>([
    ['a narinfo', Buffer.alloc(DEFAULT_LIMITS.narinfoBytes + 1, 'x'), {}],
    [
      'a narinfo that decompresses to too much',
      gzipSync(Buffer.alloc(64 * 1024 * 1024)),
      { 'content-encoding': 'gzip' },
    ],
  ])('%s is refused with 413', async (_, body, headers) => {
    await using serving = await served(TOKEN);
    const response = await request(`${serving.server.url}/${NARINFO}`, {
      method: 'PUT',
      body,
      headers: { ...AUTHORIZED, ...headers },
    });
    expect(response.statusCode).toBe(413);
    expect(await response.body.text()).toMatch(/LIMIT_EXCEEDED/);
  });

  test('a gRPC message is refused, and nothing of it kept', async () => {
    await using serving = await served(TOKEN);
    const { url } = serving.server;
    const put = async (bytes: number) => {
      using channel = openChannel(url, { token: TOKEN, maxMessageBytes: 2 * MAX_MESSAGE_BYTES });
      async function* pieces() {
        yield { data: noise(bytes) };
      }
      return await createClient(BlobService, channel.transport).put(pieces());
    };
    // the server breaks the call off while it is sent: which status arrives is a race
    await expect(put(MAX_MESSAGE_BYTES + 1)).rejects.toThrow(ConnectError);
    expect((await serving.store.stats()).chunks).toBe(0);
    expect((await put(1000)).digest).toHaveLength(32);
  });

  test('a NAR that is zeros without end is refused when it shows', async () => {
    await using serving = await served(TOKEN);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const response = await request(`${serving.server.url}/nar/x.nar.gz`, {
      method: 'PUT',
      body: bomb,
      headers: AUTHORIZED,
    });
    expect(response.statusCode).toBe(400);
    expect(await response.body.text()).toMatch(/NAR_INVALID/);
  });
});

describe('an upload that breaks off', () => {
  const nar = encodeNar(directory({ a: file(noise(12_000_000)), b: file('b') }));

  test('leaves nothing that can be seen, and can be made again', async () => {
    await using serving = await served(TOKEN);
    const { server, store } = serving;
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `PUT /nar/x.nar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${nar.length}\r\n\r\n`,
    );
    // more than sockets hold by themselves: when all is written, the server has read some of it
    const most = nar.subarray(0, nar.length - 100);
    await new Promise((resolve) => socket.write(most, resolve));
    socket.destroy();
    await once(socket, 'close');
    const head = () => request(`${server.url}/nar/x.nar`, { method: 'HEAD', headers: AUTHORIZED });
    expect((await head()).statusCode).toBe(404);
    expect(await itemsOf(store.pathInfos.list())).toEqual([]);
    const again = await request(`${server.url}/nar/x.nar`, {
      method: 'PUT',
      body: nar,
      headers: AUTHORIZED,
    });
    await again.body.dump();
    expect(again.statusCode).toBe(201);
    expect((await head()).statusCode).toBe(200);
  });
});
