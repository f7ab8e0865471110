/** How far a mirror run is: counts what the ingest tells. */
import type { MirrorEvent } from './mirrorEvent.ts';
import { RateMeter } from './rateMeter.ts';

/** How much of a path's NAR has come. */
export interface NarProgress {
  readonly narSize: number;
  readonly narBytes: number;
}

/** Counts of a run so far. */
export class MirrorTally {
  /** Paths that were there already; what these refer to is not counted. */
  present = 0;
  /** Paths whose narinfos were found, kept and failed ones included. */
  found = 0;
  kept = 0;
  /** Paths that are not kept, also because of a reference. */
  failed = 0;
  /** Places where an upstream means another content than is here. */
  findings = 0;
  /** Extra files that were brought in. */
  extraFilesKept = 0;
  /** Those that could not be. */
  extraFilesFailed = 0;
  /** Bytes of NAR of all paths that were found and have not failed. */
  narBytesFound = 0;
  /** How many of them have come. */
  narBytesDone = 0;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #rate: RateMeter;
  /** By base name, what was found and is not here yet. */
  readonly #awaited = new Map<string, { readonly narSize: number; narBytes: number }>();
  /** Base names of those that are being fetched. */
  readonly #fetching = new Set<string>();

  /** @param now milliseconds of a clock that does not jump */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
    this.#rate = new RateMeter(now);
  }

  /** Counts an event. */
  add(event: MirrorEvent): void {
    switch (event.type) {
      case 'present':
        this.present++;
        break;
      case 'found': {
        const { storePath, narSize } = event.narInfo;
        this.found++;
        this.narBytesFound += narSize;
        this.#awaited.set(storePath.baseName, { narSize, narBytes: 0 });
        break;
      }
      case 'fetching':
        this.#fetching.add(event.narInfo.storePath.baseName);
        break;
      case 'progress':
        this.#arrived(event.baseName, event.narBytes);
        break;
      case 'fetched': {
        const { baseName } = event.narInfo.storePath;
        // content that was here already came without any progress
        this.#arrived(baseName, Number.POSITIVE_INFINITY);
        this.#settle(baseName);
        break;
      }
      case 'kept':
        this.kept++;
        break;
      case 'finding':
        this.findings++;
        break;
      case 'extraFileKept':
        this.extraFilesKept++;
        break;
      case 'extraFileFailed':
        this.extraFilesFailed++;
        break;
      case 'failed':
        this.failed++;
        this.#fail(event.path);
        break;
    }
  }

  /** What is being fetched, the largest first. */
  get inFlight(): (readonly [baseName: string, progress: NarProgress])[] {
    const known = Array.from(this.#fetching, (baseName) => {
      const progress = this.#awaited.get(baseName);
      return progress === undefined ? [] : [[baseName, progress] as const];
    });
    return known.flat().sort(([, a], [, b]) => b.narSize - a.narSize);
  }

  /** Since the beginning. */
  get seconds(): number {
    return (this.#now() - this.#startedAt) / 1000;
  }

  /** Bytes of NAR per second, of late. */
  get rate(): number {
    return this.#rate.perSecond;
  }

  /** Until all that was found is here, or `undefined` where there is nothing to tell it from. */
  get secondsLeft(): number | undefined {
    const { rate } = this;
    return rate > 0 ? (this.narBytesFound - this.narBytesDone) / rate : undefined;
  }

  #arrived(baseName: string, narBytes: number): void {
    const path = this.#awaited.get(baseName);
    if (path === undefined) return;
    // a NAR that broke off and came again from elsewhere is no more than one NAR
    const added = Math.min(narBytes, path.narSize - path.narBytes);
    path.narBytes += added;
    this.narBytesDone += added;
    this.#rate.add(added);
  }

  #fail(baseName: string): void {
    const path = this.#awaited.get(baseName);
    if (path !== undefined) this.narBytesFound -= path.narSize - path.narBytes;
    this.#settle(baseName);
  }

  #settle(baseName: string): void {
    this.#awaited.delete(baseName);
    this.#fetching.delete(baseName);
  }
}
