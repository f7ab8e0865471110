/** "Content of this NarHash is here already" is believed of hashes that were computed here, and of no others. */
import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { Hash } from '../../src/hash.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { BY_KEY, storePathOf } from '../contracts/pathInfos.ts';
import { renderedNarHash, serviceOver, storeServices } from '../ingest/serviceHarness.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const { directory, publicKey } = fixtureCache;
const PATH = fixtureCache.path('large-1.1');
const NAR_HASH = Hash.parse(PATH.narHash);

/** A PathInfo that says of another content that its NAR hashes to the one of {@link PATH}. */
function lie(): PathInfo {
  const claim = new Claim({
    storePath: storePathOf('lie'),
    narHash: NAR_HASH,
    narSize: PATH.narSize,
    references: [],
    signatures: [],
    deriver: undefined,
    ca: undefined,
    origin: undefined,
    verification: BY_KEY,
  });
  return new PathInfo(claim, new SymlinkNode(utf8('evil')), new Map());
}

test('a PathInfo that claims a NarHash of another content poisons nothing', async () => {
  await using services = await storeServices();
  await services.pathInfoService.put(lie());
  await using cache = await serveStatic(directory);
  await using service = serviceOver(services, { baseUrl: cache.url, publicKeys: [publicKey] });
  const pathInfo = await service.get(StorePath.parse(PATH.storePath).digest);
  if (pathInfo === undefined) throw new Error('the fixture has it');
  expect(cache.paths(/^nar\//)).toHaveLength(1);
  expect(await renderedNarHash(services, pathInfo)).toBe(PATH.narHash);
});

test('what was computed takes the place of what was claimed, and not the other way round', async () => {
  await using directory = await temporaryDirectory('known');
  const content = { node: new SymlinkNode(utf8('computed')), narSize: PATH.narSize };
  {
    await using store = await Store.open(directory.path);
    await store.pathInfos.put(lie());
    expect(await store.contentByNarHash(NAR_HASH)).toBeUndefined();
    // its own NAR is served all the same
    expect(store.nodeByNarHash(NAR_HASH)).toEqual(lie().node);
    store.recordContent(NAR_HASH, content);
    await store.flush();
  }
  await using store = await Store.open(directory.path);
  expect(await store.contentByNarHash(NAR_HASH)).toEqual(content);
  await store.pathInfos.put(pathInfoLike(lie(), 'another'));
  expect(await store.contentByNarHash(NAR_HASH)).toEqual(content);
  expect(store.nodeByNarHash(NAR_HASH)).toEqual(content.node);
});

/** The same claim of another store path. */
function pathInfoLike({ claim, node }: PathInfo, name: string): PathInfo {
  return new PathInfo(new Claim({ ...claim, storePath: storePathOf(name) }), node, new Map());
}
