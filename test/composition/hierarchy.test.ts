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
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
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
    'type = "cache"\nnear = "lmdb:store"\nfar = "lmdb:/dev/null/store"\n[directoryservices.root]',
  );
  await expect(built(directory.path, config)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  // the store that was opened first is closed: it can be taken away and made again
  await using again = await built(directory.path, lazily('https://cache.example'));
  expect(await itemsOf(again.holdings.pathInfos.list())).toEqual([]);
});

describe('a binary cache that keeps what it brings in', () => {
  const keeping = (kept: string, castore: string) => `
    trusted_public_keys = "${fixtureCache.publicKey}"
    [blobservices]
    root = ${castore}
    [directoryservices]
    root = ${castore}
    [pathinfoservices.root]
    type = "nix"
    base_url = "${fixtureCache.directory}"
    path_info_service = "${kept}"`;

  test('in a service that nobody else needs, which is open all the time', async () => {
    await using directory = await temporaryDirectory('hierarchy');
    {
      await using opened = await built(
        directory.path,
        keeping('lmdb:store', '{ type = "lmdb", path = "store" }'),
      );
      const got = await opened.holdings.pathInfos.get(root.digest);
      expect(got?.storePath.absolute).toBe(root.absolute);
    }
    expect(await pathsIn(`${directory.path}/store`)).toEqual(closure);
  });

  test('in another store than anything else is in', async () => {
    await using directory = await temporaryDirectory('hierarchy');
    await using far = await temporaryDirectory('hierarchy');
    await using store = await Store.open(far.path);
    await using server = await serveStore(store, {});
    // it is asked for the first time when a path is: its services are made before that
    const config = keeping('&kept', '{ type = "memory" }');
    await using opened = await built(
      directory.path,
      `${config}
      [pathinfoservices.kept]
      type = "cache"
      near = "memory:"
      far = "grpc+${server.url}"`,
    );
    const got = await opened.holdings.pathInfos.get(root.digest);
    expect(got?.storePath.absolute).toBe(root.absolute);
  });
});

test('what a policy finds is kept in the store where the paths are', async () => {
  const world = (text: string) =>
    syntheticCache([
      { name: 'dep', tree: file(text) },
      { name: 'top', references: ['dep'] },
    ]);
  const [ours, theirs] = [await world('ours'), await world('theirs')];
  await using directory = await temporaryDirectory('hierarchy');
  const bringIn = async (cache: typeof ours, name: string) => {
    await using upstream = await serveStatic(cache.files);
    const config = lazily(upstream.url).replace(/^trusted_public_keys.*$/m, '');
    await using opened = await built(
      directory.path,
      `trusted_public_keys = "${TEST_KEY.publicKey}"\n${config}\nfrankenbuild = "report"`,
    );
    const { digest } = StorePath.parse(cache.storePath(name));
    await opened.holdings.pathInfos.get(digest);
  };
  await bringIn(ours, 'dep');
  await bringIn(theirs, 'top');
  await using store = await Store.open(`${directory.path}/store`, { readOnly: true });
  const findings = await itemsOf(store.findings.listFindings());
  expect(findings.map(({ reference }) => reference.absolute)).toEqual([ours.storePath('dep')]);
});

test('content of which a store has only the blobs is copied to it whole', async () => {
  await using directory = await temporaryDirectory('hierarchy');
  {
    await using opened = await built(
      directory.path,
      `trusted_public_keys = "${fixtureCache.publicKey}"
      [blobservices]
      root = { type = "lmdb", path = "store" }
      [directoryservices]
      root = { type = "lmdb", path = "directories" }
      [pathinfoservices]
      root = { type = "cache", near = "lmdb:store", far = "&upstream" }
      kept = { type = "memory" }
      [pathinfoservices.upstream]
      type = "nix"
      base_url = "${fixtureCache.directory}"
      path_info_service = "&kept"`,
    );
    await opened.holdings.pathInfos.get(root.digest);
  }
  expect(await pathsIn(`${directory.path}/store`)).toEqual(closure);
});
