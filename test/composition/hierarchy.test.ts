/** Hierarchies that are configured, built and served. */
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/composition/config/readConfig.ts';
import { openHoldings } from '../../src/composition/openHoldings.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { SecretKey } from '../../src/signature.ts';
import { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { itemsOf } from '../contracts/collect.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const root = StorePath.parse(fixtureCache.root);
const closure = [...fixtureCache.closure].sort();
const SECRET_KEY = SecretKey.generate('ours-1');

/** The roots of a configuration whose relative paths lie in `directory`. */
async function built(directory: string, text: string) {
  const { holdings } = await readConfig(text, 'narthex.toml', {
    directory,
    readText: async () => String(SECRET_KEY),
  });
  if (holdings === undefined) throw new Error('it has holdings');
  return await openHoldings(holdings, { mayWrite: true });
}

/** The paths of the store in a directory. */
async function pathsIn(directory: string): Promise<string[]> {
  await using store = await Store.open(directory, { readOnly: true });
  const pathInfos = await itemsOf(store.pathInfos.list());
  return pathInfos.map(({ storePath }) => storePath.absolute).sort();
}

/** An embedded store before a binary cache. */
const lazily = (url: string) => `
trusted_public_keys = "${fixtureCache.publicKey}"
[blobservices.root]
type = "lmdb"
path = "store"
[directoryservices.root]
type = "lmdb"
path = "store"
[pathinfoservices.root]
type = "cache"
near = "&store"
far = "&upstream"
[pathinfoservices.store]
type = "lmdb"
path = "store"
[pathinfoservices.upstream]
type = "nix"
base_url = "${url}"
`;

describe('an embedded store before a binary cache', () => {
  test('brings in exactly the closure that is asked for, and asks no more', async () => {
    await using directory = await temporaryDirectory('hierarchy');
    await using upstream = await serveStatic(fixtureCache.directory);
    {
      await using opened = await built(directory.path, lazily(upstream.url));
      const { holdings } = opened;
      await using server = await serveStore(holdings, {});
      const narinfo = await request(`${server.url}/${root.hashPart}.narinfo`);
      expect(narinfo.statusCode).toBe(200);
      const { url, narSize } = parseNarInfo(await narinfo.body.bytes());
      const nar = await request(`${server.url}/${url}`);
      expect((await nar.body.bytes()).length).toBe(narSize);
      const { length } = upstream.requests;
      expect((await holdings.pathInfos.get(root.digest))?.storePath.absolute).toBe(root.absolute);
      expect(upstream.requests).toHaveLength(length);
    }
    expect(await pathsIn(`${directory.path}/store`)).toEqual(closure);
  });

  test('asks nobody before somebody asks it', async () => {
    await using directory = await temporaryDirectory('hierarchy');
    await using upstream = await serveStatic(fixtureCache.directory);
    await using _ = await built(directory.path, lazily(upstream.url));
    expect(upstream.requests).toEqual([]);
  });
});

test('services in memory need no directory', async () => {
  await using directory = await temporaryDirectory('hierarchy');
  const memory = ['blobservices', 'directoryservices']
    .map((kind) => `[${kind}.root]\ntype = "memory"\n`)
    .join('');
  await using opened = await built(
    directory.path,
    `trusted_public_keys = "${fixtureCache.publicKey}"
    ${memory}
    [pathinfoservices.root]
    type = "signing"
    inner = "&all"
    secret_key_file = "key"
    [pathinfoservices.all]
    type = "cache"
    near = "memory:"
    far = "nix+${fixtureCache.directory}?path_info_service=%26all"`,
  );
  await using server = await serveStore(opened.holdings, {});
  const { body } = await request(`${server.url}/${root.hashPart}.narinfo`);
  const { signatures, url, narSize } = parseNarInfo(await body.bytes());
  expect(signatures.map(({ keyName }) => keyName)).toContain('ours-1');
  const nar = await request(`${server.url}/${url}`);
  expect((await nar.body.bytes()).length).toBe(narSize);
  expect(await itemsOf(opened.holdings.pathInfos.list())).toHaveLength(closure.length);
});

describe('a store before others', () => {
  /** A directory with a store that has the closure. */
  async function filledDirectory() {
    const directory = await temporaryDirectory('hierarchy');
    await using opened = await built(directory.path, lazily(fixtureCache.directory));
    await opened.holdings.pathInfos.get(root.digest);
    return directory;
  }

  const cacheBefore = (far: string, blobFar: string) => `
    trusted_public_keys = "${fixtureCache.publicKey}"
    [blobservices.root]
    type = "cache"
    near = "lmdb:near"
    far = "${blobFar}"
    [directoryservices.root]
    type = "cache"
    near = "lmdb:near"
    far = "${blobFar}"
    [pathinfoservices.root]
    type = "cache"
    near = "lmdb:near"
    far = "${far}"`;

  test('of which one is another store, copies content with each path', async () => {
    await using far = await filledDirectory();
    await using near = await temporaryDirectory('hierarchy');
    const other = `lmdb:${far.path}/store?read_only=true`;
    {
      await using opened = await built(near.path, cacheBefore(other, other));
      await opened.holdings.pathInfos.get(root.digest);
    }
    expect(await pathsIn(`${near.path}/near`)).toEqual(closure);
  });

  test('of which one is a peer, has all of it when the peer is gone', async () => {
    await using far = await filledDirectory();
    await using near = await temporaryDirectory('hierarchy');
    await using store = await Store.open(`${far.path}/store`);
    const server = await serveStore(store, {});
    const peer = `grpc+${server.url}`;
    const config = cacheBefore(peer, peer);
    await using opened = await built(near.path, config);
    await opened.holdings.pathInfos.get(root.digest);
    await server.close();
    await using again = await serveStore(opened.holdings, {});
    const { body } = await request(`${again.url}/${root.hashPart}.narinfo`);
    const { url, narSize } = parseNarInfo(await body.bytes());
    const nar = await request(`${again.url}/${url}`);
    expect((await nar.body.bytes()).length).toBe(narSize);
  });
});

test('what cannot be opened leaves nothing open', async () => {
  await using directory = await temporaryDirectory('hierarchy');
  const config = lazily('https://cache.example').replace(
    'type = "lmdb"\npath = "store"\n[directoryservices.root]',
    'type = "lmdb"\npath = "/dev/null/store"\n[directoryservices.root]',
  );
  await expect(built(directory.path, config)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  // the store that was opened first is closed: it can be taken away and made again
  await using again = await built(directory.path, lazily('https://cache.example'));
  expect(await itemsOf(again.holdings.pathInfos.list())).toEqual([]);
});
