/** Binary caches that are asked what they say, and from which nothing is brought in. */
import type { Witness } from '../audit/witness.ts';
import { MemoryBlobService } from '../castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../castore/memoryDirectoryService.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { UpstreamIngest } from '../ingest/upstreamIngest.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { PublicKey } from '../signature.ts';
import type { OpenUpstreamOptions } from '../upstream/openUpstream.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Who is asked, and who is believed. */
export interface WitnessSettings extends OpenUpstreamOptions {
  /** URLs, directories or zip files. */
  readonly addresses: readonly string[];
  readonly trustedKeys: readonly PublicKey[];
  /** False believes narinfos that nobody vouches for; true by default. */
  readonly checkSignatures?: boolean | undefined;
}

/** Open witnesses; disposing closes them. */
export interface Witnesses extends AsyncDisposable {
  /** In the order of the addresses. */
  readonly all: readonly Witness[];
}

/**
 * Opens binary caches to ask them. One that is not there now is no error: it cannot be asked.
 * @throws UPSTREAM_URL_INVALID
 */
export async function openWitnesses(settings: WitnessSettings): Promise<Witnesses> {
  const { addresses, trustedKeys, checkSignatures = true, limits = DEFAULT_LIMITS } = settings;
  const trust = new TrustPolicy(trustedKeys, { checkSignatures });
  await using opened = new AsyncDisposableStack();
  const upstreams = await openUpstreams(addresses, settings);
  for (const upstream of upstreams) opened.use(upstream);
  const all = upstreams.map((upstream) => witnessOf(upstream, trust, limits));
  const owned = opened.move();
  return { all, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Each by itself: what one remembers of a path is not mistaken for what another says. */
function witnessOf(upstream: Upstream, trust: TrustPolicy, limits: Limits): Witness {
  const ingest = new UpstreamIngest({
    open: async () => [upstream],
    trust,
    limits,
    // nothing comes that would have to be put anywhere
    blobService: new MemoryBlobService(),
    directoryService: new MemoryDirectoryService(),
  });
  return {
    url: upstream.url,
    ask: async (path, signal) => await ingest.askNarInfo(upstream, path, signal),
  };
}
