/** "Content of this NarHash is here already" is believed of hashes that were computed here, and of no others. */
import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { Hash } from '../../src/hash.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { StorePath } from '../../src/storePath.ts';
import { BY_KEY, storePathOf } from '../contracts/pathInfos.ts';
import { renderedNarHash, serviceOver, storeServices } from '../ingest/serviceHarness.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';

const { directory, publicKey } = fixtureCache;
const PATH = fixtureCache.path('large-1.1');

test('a PathInfo that claims a NarHash of another content poisons nothing', async () => {
  await using services = await storeServices();
  const lie = new Claim({
    storePath: storePathOf('lie'),
    narHash: Hash.parse(PATH.narHash),
    narSize: PATH.narSize,
    references: [],
    signatures: [],
    deriver: undefined,
    ca: undefined,
    origin: undefined,
    verification: BY_KEY,
  });
  await services.pathInfoService.put(new PathInfo(lie, new SymlinkNode(utf8('evil')), new Map()));
  await using cache = await serveStatic(directory);
  await using service = serviceOver(services, { baseUrl: cache.url, publicKeys: [publicKey] });
  const pathInfo = await service.get(StorePath.parse(PATH.storePath).digest);
  if (pathInfo === undefined) throw new Error('the fixture has it');
  expect(cache.paths(/^nar\//)).toHaveLength(1);
  expect(await renderedNarHash(services, pathInfo)).toBe(PATH.narHash);
});
