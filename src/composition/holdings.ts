/** What is served, and filled: an embedded store, or services put together. */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import type { ExtraFileService } from '../extraFiles/extraFileService.ts';
import type { Hash } from '../hash.ts';
import type { NarReader } from '../ingest/narReading.ts';
import type { ContentByNarHash, UpstreamIngestOptions } from '../ingest/upstreamIngest.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import type { Store } from '../store/store.ts';
import type { StoreStats } from '../store/storeStats.ts';
import { WeightedLru } from '../weightedLru.ts';

/** Three services, and which content NARs hold. An embedded store is one. */
export interface Holdings {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly pathInfos: VariantService;
  /** Where files of its own may lie; without one nothing is spooled. */
  readonly directory?: string | undefined;
  /** Reads NARs that are brought in; on the calling thread by default. */
  readonly narReader?: NarReader | undefined;
  /** Logs and the like; without it none are served, and none taken. */
  readonly extraFiles?: ExtraFileService | undefined;
  /** Content whose NarHash was computed here. */
  contentByNarHash: ContentByNarHash;
  recordContent: NonNullable<UpstreamIngestOptions['recordContent']>;
  /** Keeps content that is stored or looked up from then on, see `Store.hold`. */
  readonly hold?: (() => Disposable) | undefined;
  /** Finds all NARs; without it URLs of NARs also name a store path. */
  nodeByNarHash?(
    narHash: Hash,
    options?: ServiceOptions,
  ): Promise<Node | undefined> | Node | undefined;
  /** Reads a little of it. @throws why it could not be given out */
  check?(): Promise<void>;
  /** How much there is; may take long. */
  stats?(): Promise<StoreStats>;
}

/** An embedded store as holdings that something is added to. */
export function holdingsOf(store: Store): Holdings {
  return {
    blobs: store.blobs,
    directories: store.directories,
    pathInfos: store.pathInfos,
    extraFiles: store.extraFiles,
    ...narsOf(store),
    nodeByNarHash: (narHash, options) => store.nodeByNarHash(narHash, options),
    check: () => store.check(),
    stats: () => store.stats(),
  };
}

/** The NARs that an embedded store knows. */
export function narsOf(store: Store): Nars {
  return {
    directory: store.directory,
    contentByNarHash: (narHash) => store.contentByNarHash(narHash),
    recordContent: (narHash, content) => store.recordContent(narHash, content),
    hold: () => store.hold(),
  };
}

/** What is known of the NARs of some holdings. */
export type Nars = Pick<Holdings, 'contentByNarHash' | 'recordContent' | 'directory' | 'hold'>;

type NarContent = Parameters<Holdings['recordContent']>[1];

/** NARs that are remembered in memory, some 200 bytes each. */
const REMEMBERED_NARS = 100_000;

/** Which content NARs hold, as far as it is remembered in memory. */
export class NarMemory implements Nars {
  readonly #contents = new WeightedLru<NarContent>(REMEMBERED_NARS, () => 1);

  readonly contentByNarHash = (narHash: Hash): NarContent | undefined =>
    this.#contents.get(narHash.toString());

  readonly recordContent = (narHash: Hash, content: NarContent): void => {
    this.#contents.set(narHash.toString(), content);
  };
}
