/** Uploads over HTTP: who may, what is checked, and that nothing is half-stored. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { copyNode } from '../../src/castore/copyNode.ts';
import { fillFrom } from '../../src/composition/farServices.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { GrpcBlobService } from '../../src/grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../../src/grpc/castore/grpcDirectoryService.ts';
import { openChannel } from '../../src/grpc/channel.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { parsePublicKeys, SecretKey } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { UploadTokens } from '../../src/uploadTokens.ts';
import { bytesOf, itemsOf } from '../contracts/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { upstreamsAt } from './upstreams.ts';

const TOKEN = 'token-of-the-tests-0123';
const trustedKeys = parsePublicKeys(fixtureCache.publicKey);

/** An empty store that takes uploads. */
async function uploadServer({ requireSignature = false, keys = trustedKeys } = {}) {
  const opened = await temporaryStore();
  const { store } = opened;
  const trust = new TrustPolicy(keys, { checkSignatures: requireSignature });
  const server = await serveStore(store, {
    uploads: { tokens: UploadTokens.parse(`ci:${TOKEN}`), trust },
  });
  const put = async (
    path: string,
    body: Uint8Array | string,
    headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` },
  ) => {
    const response = await request(`${server.url}/${path}`, { method: 'PUT', body, headers });
    return { status: response.statusCode, text: await response.body.text() };
  };
  return {
    store,
    url: server.url,
    put,
    async [Symbol.asyncDispose]() {
      await server.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

/** A path without references, as its narinfo and NAR. */
const alone = fixtureCache.path('large-1.0');
async function filesOf(path: typeof alone) {
  await using opened = await temporaryStore();
  const addresses = [fixtureCache.directory];
  await using filled = await fillFrom(opened.store, {
    upstreams: await upstreamsAt(addresses, trustedKeys),
  });
  const { digest } = StorePath.parse(path.storePath);
  const pathInfo = await filled.pathInfoService.get(digest);
  if (pathInfo === undefined) throw new Error('the fixture has it');
  const { blobs: blobService, directories: directoryService } = opened.store;
  const nar = await bytesOf(renderNar(pathInfo.node, { blobService, directoryService }));
  const narinfo = await readFile(
    join(fixtureCache.directory, `${hashPartOfPath(path.storePath)}.narinfo`),
    'utf8',
  );
  const file = `${hashPartOfPath(path.storePath)}.narinfo`;
  const plain = narinfo
    .replace(/^URL: .*$/m, 'URL: nar/uploaded.nar')
    .replace(/^Compression: .*$/m, 'Compression: none')
    .replace(/^File(?:Hash|Size): .*\n/gm, '');
  return { nar, narinfo: plain, file };
}

describe('an upload', () => {
  test.each<readonly [string, string, (nar: Uint8Array) => Uint8Array, Record<string, string>]>([
    ['as it is', 'nar/uploaded.nar', (nar) => nar, {}],
    ['as gzip without a suffix', 'nar/uploaded.nar', gzipSync, {}],
    ['as zstd', 'nar/uploaded.nar.zst', zstdCompressSync, {}],
    ['as brotli', 'nar/uploaded.nar.br', brotliCompressSync, {}],
    ['with a Content-Encoding', 'nar/uploaded.nar', gzipSync, { 'content-encoding': 'gzip' }],
  ])('of a NAR %s, and its narinfo', async (_, path, encode, headers) => {
    await using server = await uploadServer();
    const { nar, narinfo, file } = await filesOf(alone);
    const authorization = `Bearer ${TOKEN}`;
    expect(await server.put(path, encode(nar), { authorization, ...headers })).toMatchObject({
      status: 201,
    });
    const head = await request(`${server.url}/${path}`, { method: 'HEAD' });
    expect(head.statusCode).toBe(200);
    expect(await server.put(file, narinfo)).toEqual({ status: 201, text: '' });
    expect(await server.put(file, narinfo)).toMatchObject({ status: 201 });
    const kept = await itemsOf(server.store.pathInfos.list());
    expect(kept.map(({ storePath }) => storePath.absolute)).toEqual([alone.storePath]);
    expect(kept[0]?.claim.verification.by).toBe('key');
    const served = await request(`${server.url}/${file}`);
    expect(await served.body.text()).toContain(`NarHash: ${alone.narHash}`);
  });

  test.each<readonly [string, Record<string, string>]>([
    ['without a token', {}],
    ['with another token', { authorization: 'Bearer another-token-0123456789' }],
  ])('%s is refused', async (_, headers) => {
    await using server = await uploadServer();
    const { nar, narinfo, file } = await filesOf(alone);
    expect((await server.put('nar/uploaded.nar', nar, headers)).status).toBe(401);
    expect((await server.put(file, narinfo, headers)).status).toBe(401);
    expect((await server.store.stats()).chunks).toBe(0);
  });

  test('is refused where uploads are off', async () => {
    await using opened = await temporaryStore();
    await using server = await serveStore(opened.store, {});
    const response = await request(`${server.url}/${'0'.repeat(32)}.narinfo`, {
      method: 'PUT',
      body: 'x',
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    await response.body.dump();
    expect(response.statusCode).toBe(405);
  });

  const tampered = (nar: Uint8Array) => {
    const other = nar.slice();
    const at = other.length >> 1;
    other[at] = (other[at] ?? 0) ^ 1;
    return other;
  };

  test.each<
    readonly [string, string, number, (f: Awaited<ReturnType<typeof filesOf>>) => Partial<typeof f>]
  >([
    ['whose NAR is another', 'NAR_HASH_MISMATCH', 400, ({ nar }) => ({ nar: tampered(nar) })],
    ['whose NAR does not come', 'NAR_MISSING', 409, () => ({ nar: new Uint8Array() })],
    [
      'with another NarSize',
      'NAR_SIZE_MISMATCH',
      400,
      ({ narinfo }) => ({ narinfo: narinfo.replace(/^NarSize: .*$/m, 'NarSize: 5') }),
    ],
    [
      'with another FileSize',
      'FILE_SIZE_MISMATCH',
      400,
      ({ narinfo }) => ({ narinfo: `${narinfo}FileSize: 5\n` }),
    ],
    [
      'with another FileHash',
      'FILE_HASH_MISMATCH',
      400,
      ({ narinfo }) => ({ narinfo: `${narinfo}FileHash: sha256:${'0'.repeat(52)}\n` }),
    ],
    [
      'under another name',
      'STORE_PATH_MISMATCH',
      400,
      () => ({ file: `${'0'.repeat(32)}.narinfo` }),
    ],
    [
      'with a CA that is another',
      'CONTENT_ADDRESS_MISMATCH',
      400,
      ({ narinfo }) => ({ narinfo: `${narinfo}CA: fixed:r:sha256:${'0'.repeat(52)}\n` }),
    ],
    [
      'that refers to what is not here',
      'REFERENCE_MISSING',
      409,
      ({ narinfo }) => ({
        narinfo: narinfo.replace(/^References: .*$/m, `References: ${'0'.repeat(32)}-absent`),
      }),
    ],
    ['that is no narinfo', 'NARINFO_INVALID', 400, () => ({ narinfo: 'nothing' })],
  ])('%s is refused with its code, and nothing is kept', async (_, code, status, change) => {
    await using server = await uploadServer();
    const files = await filesOf(alone);
    const { nar, narinfo, file } = { ...files, ...change(files) };
    if (nar.length > 0) await server.put('nar/uploaded.nar', nar);
    const answer = await server.put(file, narinfo);
    expect(answer).toMatchObject({ status, text: expect.stringContaining(code) });
    expect(await itemsOf(server.store.pathInfos.list())).toEqual([]);
  });

  test('of what is no NAR is refused', async () => {
    await using server = await uploadServer();
    for (const body of ['', 'x', '<html>', gzipSync('no NAR')]) {
      const answer = await server.put('nar/uploaded.nar', body);
      expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('NAR_INVALID') });
    }
    const { nar } = await filesOf(alone);
    expect((await server.put('nar/uploaded.nar', gzipSync(nar).subarray(0, -9))).status).toBe(400);
    expect((await server.put('nar/../x.nar', nar)).status).toBe(405);
    expect((await server.put('nix-cache-info', 'StoreDir: /x')).status).toBe(405);
  });

  test('needs a signature by a trusted key, where that is so configured', async () => {
    const { publicKey } = SecretKey.generate('other-1');
    await using server = await uploadServer({ requireSignature: true, keys: [publicKey] });
    const { nar, narinfo, file } = await filesOf(alone);
    await server.put('nar/uploaded.nar', nar);
    expect(await server.put(file, narinfo)).toMatchObject({ status: 403 });
    expect(await itemsOf(server.store.pathInfos.list())).toEqual([]);
  });

  test('that nobody has signed is verified by the word of the uploader', async () => {
    await using server = await uploadServer();
    const { nar, narinfo, file } = await filesOf(alone);
    await server.put('nar/uploaded.nar', nar);
    await server.put(file, narinfo.replace(/^Sig: .*\n/gm, ''));
    const [kept] = await itemsOf(server.store.pathInfos.list());
    expect(kept?.claim.verification).toEqual({ by: 'uploader', uploader: 'ci' });
  });
});

describe('a put over gRPC', () => {
  async function both() {
    const server = await uploadServer();
    const from = await temporaryStore();
    const addresses = [fixtureCache.directory];
    await using filled = await fillFrom(from.store, {
      upstreams: await upstreamsAt(addresses, trustedKeys),
    });
    const pathInfo = await filled.pathInfoService.get(StorePath.parse(alone.storePath).digest);
    if (pathInfo === undefined) throw new Error('the fixture has it');
    const channel = openChannel(server.url, { token: TOKEN });
    const to = {
      blobService: new GrpcBlobService(channel),
      directoryService: new GrpcDirectoryService(channel),
    };
    const own = { blobService: from.store.blobs, directoryService: from.store.directories };
    return {
      server,
      pathInfo,
      service: new GrpcPathInfoService(channel, { trust: 'peer' }),
      copy: () => copyNode(pathInfo.node, { from: own, to }),
      async [Symbol.asyncDispose]() {
        channel[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
        await from[Symbol.asyncDispose]();
      },
    };
  }

  test('is kept, once its content is there', async () => {
    await using peers = await both();
    await expect(peers.service.put(peers.pathInfo)).rejects.toThrow();
    await peers.copy();
    const kept = await peers.service.put(peers.pathInfo);
    expect(kept.closureDigest.hex).toBe(peers.pathInfo.closureDigest.hex);
    expect(await itemsOf(peers.server.store.pathInfos.list())).toHaveLength(1);
  });

  test('of a content whose NAR is another is refused', async () => {
    await using peers = await both();
    await peers.copy();
    const { claim, references, node } = peers.pathInfo;
    const other = new Claim({ ...claim, narSize: claim.narSize + 1 });
    await expect(peers.service.put(new PathInfo(other, node, references))).rejects.toMatchObject({
      code: 'NAR_SIZE_MISMATCH',
    });
    expect(await itemsOf(peers.server.store.pathInfos.list())).toEqual([]);
  });
});
