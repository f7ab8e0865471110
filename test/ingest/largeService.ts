/**
 * A large closure through the real service, in a process of its own so that its peak memory is its
 * own and the server has another core:
 *
 *     node test/ingest/largeService.ts chain|diamond COUNT URL|- STORE_DIRECTORY|-
 *
 * Without a URL the closure is made where it is asked for, without a network; without a directory it
 * is kept in memory. Prints what came of it as JSON.
 */
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { NixHTTPPathInfoService } from '../../src/httpService.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { PublicKey } from '../../src/signature.ts';
import { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { type LazyCache, lazyChain, lazyDiamond } from '../support/lazyCache.ts';
import { functionUpstream } from './functionUpstream.ts';

/** What it prints. */
export interface LargeServiceReport {
  readonly outcome: string;
  readonly kept: number;
  readonly seconds: number;
  /** The same once more, when everything is there. */
  readonly outcomeAgain: string;
  readonly presentAgain: number;
  readonly secondsAgain: number;
  readonly peakMiB: number;
}

/** The closures, by what stands on the command line. */
const SHAPES: Readonly<Record<string, (count: number) => LazyCache>> = {
  chain: lazyChain,
  diamond: lazyDiamond,
};

const [shape = '', count = '', url = '-', directory = '-'] = process.argv.slice(2);
const cache = SHAPES[shape]?.(Number(count));
if (cache === undefined) throw new Error(`no such shape: ${shape}`);

await using stack = new AsyncDisposableStack();
const store = directory === '-' ? undefined : stack.use(await Store.open(directory));
const service = stack.use(
  new NixHTTPPathInfoService({
    baseUrl: url === '-' ? functionUpstream(cache.source) : url,
    trustedKeys: [PublicKey.parse(cache.publicKey)],
    blobService: store?.blobs ?? new MemoryBlobService(),
    directoryService: store?.directories ?? new MemoryDirectoryService(),
    pathInfoService: store?.pathInfos ?? new MemoryPathInfoService(),
    contentByNarHash: (narHash) => store?.contentByNarHash(narHash),
  }),
);

const root = StorePath.parse(cache.storePath(0));

async function mirror() {
  const startedMs = performance.now();
  const counts = { kept: 0, present: 0 };
  const [result] = await service.ingest([root], {
    onEvent({ type }) {
      if (type === 'kept' || type === 'present') counts[type]++;
    },
  });
  const outcome = result?.outcome === 'failed' ? String(result.error) : String(result?.outcome);
  return { outcome, ...counts, seconds: Math.round(performance.now() - startedMs) / 1000 };
}

const first = await mirror();
const again = await mirror();
const report: LargeServiceReport = {
  outcome: first.outcome,
  kept: first.kept,
  seconds: first.seconds,
  outcomeAgain: again.outcome,
  presentAgain: again.present,
  secondsAgain: again.seconds,
  peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
