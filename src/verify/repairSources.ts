/** Where damaged paths are brought in from again. */
import type { Castore } from '../castore/copyNode.ts';
import type { IngestSource } from '../ingest/upstreamIngest.ts';

/**
 * Narinfos and contents of upstreams. Signatures of narinfos are looked at, but need not verify; content MUST be
 * brought in whole and compared with what the narinfo says, whether or not it is known already.
 */
export type RepairSource = Pick<IngestSource, 'findNarInfo' | 'ingestContent'>;

/** The upstreams of a repair. Disposing closes them. */
export interface RepairSources extends AsyncDisposable {
  /**
   * @param origin where the path came from, as far as that is known
   * @throws UPSTREAM_URL_INVALID
   */
  sourceOf(origin: string | undefined): Promise<RepairSource>;
}

/**
 * Opens upstreams that write into `castore`.
 * @throws UPSTREAM_URL_INVALID
 */
export type OpenRepairSources = (castore: Castore) => Promise<RepairSources>;
