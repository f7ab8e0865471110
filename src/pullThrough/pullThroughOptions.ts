/** What paths on demand are made of. */
import type { IngestEvent } from '../ingest/ingestEvent.ts';
import type { IngestSource } from '../ingest/upstreamIngest.ts';
import type { WalkResult, WantedPath } from '../ingest/walkItem.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { TransitOptions } from './narInTransit.ts';

/** Closures that are brought in at once, each with several NARs. */
export const DEFAULT_CLOSURES_AT_ONCE = 4;
/** Closures that may wait; beyond that what is not pending is refused. A few KB of memory each. */
export const DEFAULT_WAITING_CLOSURES = 10_000;
/** NARs that clients wait for and no closure has come to yet, at once. */
export const DEFAULT_NARS_ON_DEMAND = 16;
/** For so long what no upstream has is not asked for again. */
export const DEFAULT_NEGATIVE_TTL_MS = 5_000;
/** For so long what failed is not tried again. */
export const DEFAULT_FAILURE_TTL_MS = 10_000;

/** Brings in closures: `NixHTTPPathInfoService` does. */
export interface ClosureIngester {
  /** Its upstreams, path by path. */
  readonly source: IngestSource;
  /** Brings in closures, asking `source` in place of its own. */
  ingest(
    wanted: readonly WantedPath[],
    options: {
      readonly signal: AbortSignal;
      readonly source: IngestSource;
      readonly onEvent: (event: IngestEvent) => void;
    },
  ): Promise<WalkResult[]>;
}

/** What a `PullThrough` is made of. */
export interface PullThroughOptions {
  /** Policy `off`. Stays open. */
  readonly ingester: ClosureIngester;
  /** What is kept: where the ingester puts, without any service behind it that brings in by itself. */
  readonly pathInfoService: Pick<PathInfoService, 'get'>;
  /** Where the ingester puts contents. */
  readonly castore: TransitOptions['castore'];
  /**
   * Where NARs on their way in are written for clients that read them meanwhile; made if it is missing.
   * Without one they are given once they are in.
   */
  readonly spoolDirectory?: string | undefined;
  /** `DEFAULT_SPOOL_BYTES` (spoolDirectory.ts). */
  readonly maxSpoolBytes?: number | undefined;
  /** Nothing is told or given of a path before its whole closure is kept. Default `false`. */
  readonly waitForClosure?: boolean | undefined;
  readonly closuresAtOnce?: number | undefined;
  readonly waitingClosures?: number | undefined;
  readonly narsOnDemand?: number | undefined;
  /** Milliseconds; 0 remembers nothing. A failure is never an absence. */
  readonly negativeTtlMs?: number | undefined;
  /** Milliseconds; 0 remembers nothing. */
  readonly failureTtlMs?: number | undefined;
  /** Told why a closure was not brought in, or a NAR not spooled. MUST NOT throw. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Told what became of each path, once. MUST NOT throw. */
  readonly onPath?: ((event: PathEvent) => void) | undefined;
  /** Milliseconds since any moment. */
  readonly now: () => number;
}

/** What became of a path that was pending. */
export type PathEvent =
  | { readonly type: 'kept'; readonly pathInfo: PathInfo }
  /** It may be tried again after a while. */
  | { readonly type: 'failed'; readonly baseName: string; readonly error: unknown };

/** How much is under way. */
export interface PullThroughFigures {
  readonly pendingPaths: number;
  readonly runningClosures: number;
  readonly waitingClosures: number;
  /** NARs that clients wait for and that wait for a place. */
  readonly waitingNars: number;
  /** Bytes of spools that are spoken for. */
  readonly spoolBytes: number;
}
