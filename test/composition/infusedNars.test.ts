/** NARs by their root node, served and used. */
import { request } from 'undici';
import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { infusedNarUrl } from '../../src/castore/infusedNarUrl.ts';
import { FileNode } from '../../src/castore/node.ts';
import { fillFrom } from '../../src/composition/farServices.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { hashBytes } from '../../src/hash.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { parsePublicKeys } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { itemsOf } from '../contracts/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { upstreamsAt } from './upstreams.ts';

const trustedKeys = parsePublicKeys(fixtureCache.publicKey);
const root = StorePath.parse(fixtureCache.root);

async function serveInfused() {
  const opened = await temporaryStore();
  const addresses = [fixtureCache.directory];
  await using filled = await fillFrom(opened.store, {
    upstreams: await upstreamsAt(addresses, trustedKeys),
  });
  await filled.pathInfoService.get(root.digest);
  const server = await serveStore(opened.store, { narUrls: 'infused' });
  return {
    store: opened.store,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await server.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

test('narinfos name the content, and the NAR is there', async () => {
  await using server = await serveInfused();
  const narinfo = await request(`${server.url}/${root.hashPart}.narinfo`);
  const { url, narHash, compression, fileHash } = parseNarInfo(await narinfo.body.bytes());
  expect(url).toMatch(/^nar\/snix-castore\/[\w-]+\?narsize=\d+$/);
  expect([compression, fileHash]).toEqual(['none', undefined]);
  const nar = await request(`${server.url}/${url}`);
  expect(String(hashBytes('sha256', await nar.body.bytes()))).toBe(String(narHash));
  const part = await request(`${server.url}/${url}`, { headers: { range: 'bytes=8-20' } });
  expect(part.statusCode).toBe(206);
  expect(await part.body.text()).toBe('nix-archive-1');
  const statusOf = async (path: string) => {
    const { statusCode, body } = await request(`${server.url}/${path}`);
    await body.dump();
    return statusCode;
  };
  expect(await statusOf(url.replace(/narsize=/, 'narsize=1'))).toBe(400);
  expect(await statusOf(url.replace(/\?.*/, ''))).toBe(400);
  const absent = new FileNode(Digest.of(utf8('absent')), 6, false);
  expect(await statusOf(infusedNarUrl(absent, 128))).toBe(404);
  expect(await statusOf('nar/snix-castore/AAAA?narsize=1')).toBe(404);
});

test('a store before such a server ends with the same closure', async () => {
  await using server = await serveInfused();
  await using opened = await temporaryStore();
  await using filled = await fillFrom(opened.store, {
    upstreams: await upstreamsAt([server.url], trustedKeys),
  });
  const got = await filled.pathInfoService.get(root.digest);
  expect(got?.closureDigest.hex).toBe(
    (await server.store.pathInfos.get(root.digest))?.closureDigest.hex,
  );
  const kept = await itemsOf(opened.store.pathInfos.list());
  expect(kept.map(({ storePath }) => storePath.absolute).sort()).toEqual(
    [...fixtureCache.closure].sort(),
  );
});
