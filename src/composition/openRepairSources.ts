/** Binary caches from which a store is repaired. */
import type { Castore } from '../castore/copyNode.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { UpstreamIngest } from '../ingest/upstreamIngest.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { PublicKey } from '../signature.ts';
import type { OpenUpstreamOptions } from '../upstream/openUpstream.ts';
import type { OpenRepairSources, RepairSources } from '../verify/repairSources.ts';
import { DEFAULT_SUBSTITUTER } from './defaults.ts';

/** Who is asked, and whose signatures count. */
export interface RepairSourceSettings extends OpenUpstreamOptions {
  /** URLs, directories or zip files; where there is none, each path is asked for where it came from. */
  readonly addresses: readonly string[];
  readonly trustedKeys: readonly PublicKey[];
  readonly limits?: Limits | undefined;
}

/** Opens binary caches when the first path is asked for; one that is not there now is no error yet. */
export function repairSources(settings: RepairSourceSettings): OpenRepairSources {
  return async (castore) => {
    const opened = new AsyncDisposableStack();
    const sources = new Map<string, UpstreamIngest>();
    const open = async (addresses: readonly string[]): Promise<UpstreamIngest> => {
      const key = addresses.join('\n');
      const known = sources.get(key);
      if (known !== undefined) return known;
      const source = opened.use(await openSource(addresses, castore, settings));
      sources.set(key, source);
      return source;
    };
    const { addresses } = settings;
    const owned: RepairSources = {
      sourceOf: (origin) =>
        open(addresses.length > 0 ? addresses : [origin ?? DEFAULT_SUBSTITUTER]),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
    return owned;
  };
}

/**
 * What was kept is proven by its NarHash, so that a narinfo that nobody vouches for is good enough to find it by;
 * who vouches for it is told along.
 */
async function openSource(
  addresses: readonly string[],
  castore: Castore,
  settings: RepairSourceSettings,
): Promise<UpstreamIngest> {
  const upstreams = await openUpstreams(addresses, settings);
  return new UpstreamIngest({
    ...castore,
    open: async () => upstreams,
    trust: new TrustPolicy(settings.trustedKeys, { checkSignatures: false }),
    limits: settings.limits ?? DEFAULT_LIMITS,
  });
}
