/** What is asked of upstreams, as undici tells it. */
import { expect, test } from 'vitest';
import { UpstreamTraffic } from '../../src/operation/upstreamTraffic.ts';
import { openUpstream } from '../../src/upstream/openUpstream.ts';
import { deadUrl } from '../ingest/serviceHarness.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache } from '../support/syntheticCache.ts';

/** Traffic to these addresses while it is listened to. */
function listenTo(addresses: readonly string[]) {
  const attempts: string[] = [];
  const received = new Map<string, number>();
  const traffic = new UpstreamTraffic(addresses, {
    attempt: (upstream, outcome) => attempts.push(`${upstream} ${outcome}`),
    received: (upstream, bytes) => received.set(upstream, (received.get(upstream) ?? 0) + bytes),
  });
  return { traffic, attempts, received };
}

/** Asks for `nix-cache-info`, and lets it fail. */
async function ask(address: string): Promise<void> {
  try {
    await using upstream = await openUpstream(address, { retry: { attempts: 1 } });
    await upstream.cacheInfo();
  } catch {
    // it is told
  }
}

test('attempts by upstream and outcome, and bytes', async () => {
  const cache = await syntheticCache([{ name: 'a' }]);
  const infoBytes = cache.files.get('nix-cache-info')?.length;
  await using well = await serveStatic(cache.files);
  await using ill = await serveStatic(cache.files, { respond: () => ({ status: 503 }) });
  await using unnamed = await serveStatic(cache.files);
  const dead = await deadUrl();
  const named = [`${well.url}/sub/folder`, ill.url, dead, '/some/directory', 'grpc+http://x:1'];
  const { traffic, attempts, received } = listenTo(named);
  expect(traffic.lines()).toEqual(
    [well.url, ill.url, dead].map((url) => `upstream ${url}: not asked yet`),
  );
  for (const url of [well.url, ill.url, dead, unnamed.url]) await ask(url);
  traffic[Symbol.dispose]();
  await ask(well.url);
  // one attempt more or less is not for this test to say
  expect([...new Set(attempts)]).toEqual([
    `${well.url} 2xx`,
    `${ill.url} 5xx`,
    `${dead} failed`,
    'other 2xx',
  ]);
  expect(received.get(well.url)).toBe(infoBytes);
  expect(traffic.lines()).toEqual([
    expect.stringMatching(new RegExp(`^upstream ${well.url}: 2xx, \\d+ s ago$`)),
    expect.stringMatching(new RegExp(`^upstream ${ill.url}: 5xx, \\d+ s ago$`)),
    expect.stringMatching(new RegExp(`^upstream ${dead}: failed, \\d+ s ago$`)),
  ]);
});
