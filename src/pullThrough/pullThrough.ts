/**
 * Paths on demand. What is asked for and not kept is looked for in the upstreams; as soon as its narinfo holds
 * it is *pending*: its claim is told and its NAR given while the closure is brought in behind.
 *
 *     claim(digest) → narinfo holds → pending ─┬→ told at once
 *                                              └→ closure queue → closure walk → kept | failed
 *     nar(NarHash)  → pending → its NAR before all others → spool → readers → castore
 *
 * All that concerns one path is done once: the walks of several closures and the clients ask for the
 * same narinfo and the same NAR here. A path is pending until it is kept or the last closure that contains it
 * has given it up.
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import { isNarthexError } from '../errors.ts';
import type { Hash } from '../hash.ts';
import type { IngestEvent } from '../ingest/ingestEvent.ts';
import { NarInfoMemory } from '../ingest/narInfoMemory.ts';
import type { IngestSource, UpstreamNarInfo } from '../ingest/upstreamIngest.ts';
import type { WantedPath } from '../ingest/walkItem.ts';
import type { Claim } from '../pathinfo/claim.ts';
import { Absences } from '../pathinfo/combinators/absences.ts';
import type { ByteRange } from '../render/layout.ts';
import { formatHashPart, HASH_PART_LENGTH } from '../storePath.ts';
import { ClosureQueue, type ClosureQueueLimits } from './closureQueue.ts';
import { NarInTransit } from './narInTransit.ts';
import { claimOf, PendingIndex, PendingPath } from './pendingIndex.ts';
import {
  DEFAULT_CLOSURES_AT_ONCE,
  DEFAULT_FAILURE_TTL_MS,
  DEFAULT_NARS_ON_DEMAND,
  DEFAULT_NEGATIVE_TTL_MS,
  DEFAULT_WAITING_CLOSURES,
  type PullThroughFigures,
  type PullThroughOptions,
} from './pullThroughOptions.ts';
import { RecentFailures } from './recentFailures.ts';
import { Slots } from './slots.ts';
import { SpoolDirectory } from './spoolDirectory.ts';

export type { PullThroughOptions };

/** What is asked. */
export interface DemandOptions extends ServiceOptions {
  /** False asks the upstreams and brings nothing in. Default `true`. */
  readonly ingest?: boolean | undefined;
}

/** A NAR that may not all be here yet. */
export interface NarOnDemand {
  /** Bytes; signed, and not compared with anything yet. */
  readonly narSize: number;
  /**
   * Fails before its last byte where the NAR is not what it should be.
   * @param range within the NAR
   */
  read(range: ByteRange, options?: ServiceOptions): AsyncIterable<Uint8Array>;
}

/** A closure on its way: its paths that are pending and that it has not done with, by hash part. */
type ClosurePaths = Map<string, PendingPath>;

/** Answers for what is not kept. Disposing of it ends all that is under way. */
export class PullThrough implements AsyncDisposable {
  readonly #options: PullThroughOptions;
  readonly #spools: SpoolDirectory | undefined;
  readonly #pending = new PendingIndex();
  readonly #queue: ClosureQueue;
  readonly #slots: Slots;
  readonly #absences: Absences;
  readonly #failures: RecentFailures;
  /** What was asked about and not brought in: Nix asks about a path before it asks for it. */
  readonly #seen: NarInfoMemory<UpstreamNarInfo>;
  readonly #closing = new AbortController();
  /** NARs that are being brought in. */
  readonly #bringing = new Set<Promise<unknown>>();

  private constructor(options: PullThroughOptions, spools: SpoolDirectory | undefined) {
    const limits: ClosureQueueLimits = {
      maxRunning: options.closuresAtOnce ?? DEFAULT_CLOSURES_AT_ONCE,
      maxWaiting: options.waitingClosures ?? DEFAULT_WAITING_CLOSURES,
    };
    this.#options = options;
    this.#spools = spools;
    this.#queue = new ClosureQueue(limits);
    this.#slots = new Slots(options.narsOnDemand ?? DEFAULT_NARS_ON_DEMAND);
    this.#seen = new NarInfoMemory(options.now);
    this.#absences = new Absences(options.negativeTtlMs ?? DEFAULT_NEGATIVE_TTL_MS, options.now);
    this.#failures = new RecentFailures(
      options.failureTtlMs ?? DEFAULT_FAILURE_TTL_MS,
      options.now,
    );
  }

  /**
   * Prepares the directory for spools; what a crash has left there is removed.
   * @throws STORE_FAILED
   */
  static async open(options: PullThroughOptions): Promise<PullThrough> {
    const { spoolDirectory: path, maxSpoolBytes: maxBytes, onFailure: onBroken } = options;
    // what is given once it is in needs no spool
    const isSpooled = path !== undefined && options.waitForClosure !== true;
    const spools = isSpooled ? await SpoolDirectory.open({ path, maxBytes, onBroken }) : undefined;
    return new PullThrough(options, spools);
  }

  /**
   * The verified claim about a path that is not kept, or is by now; it is pending then, and its closure is on
   * its way. With `waitForClosure`: nothing, until all of that is kept.
   * @param digest 20 bytes
   * @returns `undefined` where no upstream has it
   * @throws what `UpstreamIngest.findNarInfo` (ingest/upstreamIngest.ts) throws; why the path was not brought
   *   in a moment ago
   * @throws LIMIT_EXCEEDED (limit `waitingClosures`) too many closures are on their way
   */
  async claim(
    digest: Uint8Array,
    { signal, ingest = true }: DemandOptions = {},
  ): Promise<Claim | undefined> {
    const { ingester, pathInfoService, waitForClosure = false } = this.#options;
    const hashPart = formatHashPart(digest);
    if (this.#pending.find(hashPart) === undefined) {
      this.#failures.check(hashPart);
      // it may have been pending when whoever asks looked there
      const kept = await pathInfoService.get(digest, { signal });
      if (kept !== undefined) return kept.claim;
    }
    const pending = this.#pending.find(hashPart);
    if (pending !== undefined) return waitForClosure ? undefined : pending.claim;
    const keptNow = this.#pending.findKept(hashPart);
    if (keptNow !== undefined) return keptNow.claim;
    if (this.#absences.has(hashPart) || (waitForClosure && !ingest)) return undefined;
    const wanted = { digest, hashPart, name: undefined };
    const found = this.#seen.get(hashPart) ?? (await ingester.source.findNarInfo(wanted, signal));
    if (found === undefined) {
      this.#absences.add(hashPart);
      return undefined;
    }
    if (!ingest) {
      this.#seen.set(hashPart, found);
      return claimOf(found);
    }
    this.#seen.delete(hashPart);
    const path = this.#pending.find(hashPart) ?? this.#enqueue(found);
    return waitForClosure ? undefined : path.claim;
  }

  /**
   * The NAR of a pending path, as soon as there is something to read of it. It is brought in before what
   * nobody waits for. With `ingest: false` it is not begun, and not to be read.
   * @returns `undefined` where no pending path has it, and with `waitForClosure`
   * @throws what `ingestNar` (ingest/narIngest.ts) and upstreams throw, also a moment afterwards
   */
  async nar(
    narHash: Hash,
    { signal, ingest = true }: DemandOptions = {},
  ): Promise<NarOnDemand | undefined> {
    if (this.#options.waitForClosure === true) return undefined;
    const path = this.#pending.withNar(narHash);
    if (path === undefined) {
      this.#failures.check(narHash.toString());
      return undefined;
    }
    const { nar } = path;
    if (ingest) await this.#begin(path, signal);
    return {
      narSize: nar.narSize,
      read: (range, options) => nar.read(range, options?.signal),
    };
  }

  /** How much is under way. */
  figures(): PullThroughFigures {
    return {
      pendingPaths: this.#pending.size,
      runningClosures: this.#queue.running,
      waitingClosures: this.#queue.waiting,
      waitingNars: this.#slots.waiting,
      spoolBytes: this.#spools?.reservedBytes ?? 0,
    };
  }

  /** Ends what is under way; nothing of it is kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('paths are not brought in on demand any more'));
    await this.#queue.close();
    await Promise.allSettled(this.#bringing);
    await this.#spools?.[Symbol.asyncDispose]();
  }

  /** Begins a NAR that nobody has begun, in turn with others that clients wait for. */
  async #begin(path: PendingPath, signal: AbortSignal | undefined): Promise<void> {
    const { nar } = path;
    if (!nar.hasBegun) {
      await this.#slots.take(signal);
      const giveBack = () => this.#slots.giveBack();
      if (nar.hasBegun) giveBack();
      else this.#bringIn(path).then(giveBack, giveBack);
    }
    await nar.readable(signal);
  }

  /** All NARs are brought in here. */
  #bringIn(path: PendingPath): Promise<Node> {
    const { nar } = path;
    if (nar.hasBegun) return nar.bringIn();
    const content = nar.bringIn();
    this.#bringing.add(content);
    const ended = () => this.#bringing.delete(content);
    content.then(ended, (error) => {
      ended();
      this.#fail(path, error);
    });
    return content;
  }

  /** Makes a path pending. */
  #add(found: UpstreamNarInfo): PendingPath {
    const { ingester, castore } = this.#options;
    const { signal } = this.#closing;
    const nar = new NarInTransit(found, {
      source: ingester.source,
      spools: this.#spools,
      castore,
      signal,
    });
    const path = new PendingPath(found, nar);
    this.#pending.add(path);
    return path;
  }

  /** Makes a path pending whose closure nobody brings in yet. @throws LIMIT_EXCEEDED */
  #enqueue(found: UpstreamNarInfo): PendingPath {
    this.#closing.signal.throwIfAborted();
    const path = this.#add(found);
    const { hashPart } = found.narInfo.storePath;
    path.closures++;
    try {
      this.#queue.add(hashPart, () => this.#bringClosure(path));
    } catch (error) {
      this.#pending.delete(path);
      throw error;
    }
    return path;
  }

  /** Brings in the closure of a path that is pending for it. */
  async #bringClosure(root: PendingPath): Promise<void> {
    const { ingester, onFailure } = this.#options;
    const { signal } = this.#closing;
    const { storePath } = root.found.narInfo;
    const paths: ClosurePaths = new Map([[storePath.hashPart, root]]);
    const source: IngestSource = {
      findNarInfo: (wanted) => this.#findForClosure(wanted, paths),
      ingestContent: (found) => this.#bringIn(requirePath(found, paths)),
    };
    const onEvent = (event: IngestEvent) => this.#follow(event, paths);
    try {
      const [result] = await ingester.ingest([storePath], { signal, source, onEvent });
      if (result?.outcome === 'failed') onFailure?.(result.error);
    } catch (error) {
      if (!signal.aborted) {
        this.#failures.add(storePath.hashPart, error);
        onFailure?.(error);
      }
    } finally {
      for (const path of paths.values()) this.#leave(path);
    }
  }

  /** What a closure contains is pending with it, and needs no turn of its own. */
  async #findForClosure(
    wanted: WantedPath,
    paths: ClosurePaths,
  ): Promise<UpstreamNarInfo | undefined> {
    const { hashPart } = wanted;
    let path =
      paths.get(hashPart) ?? this.#pending.find(hashPart) ?? this.#pending.findKept(hashPart);
    if (path === undefined) {
      this.#failures.check(ownKey(hashPart));
      const { source } = this.#options.ingester;
      const found = await source.findNarInfo(wanted, this.#closing.signal);
      if (found === undefined) return undefined;
      path = this.#pending.find(hashPart) ?? this.#add(found);
    }
    if (!paths.has(hashPart)) {
      paths.set(hashPart, path);
      path.closures++;
      if (this.#queue.drop(hashPart)) path.closures--;
    }
    return path.found;
  }

  /** What became of the paths of a closure. */
  #follow(event: IngestEvent, paths: ClosurePaths): void {
    if (event.type === 'kept' || event.type === 'present') {
      const { hashPart } = event.pathInfo.storePath;
      paths.delete(hashPart);
      const path = this.#pending.find(hashPart);
      if (path !== undefined) {
        this.#pending.keep(path);
        this.#options.onPath?.({ type: 'kept', pathInfo: event.pathInfo });
      }
      // its own closure is kept with it
      this.#queue.drop(hashPart);
    } else if (event.type === 'failed') {
      const path = paths.get(event.path.slice(0, HASH_PART_LENGTH));
      // by another name it is another one's mistake
      if (path?.baseName !== event.path) return;
      paths.delete(path.found.narInfo.storePath.hashPart);
      this.#fail(path, event.error);
      this.#leave(path);
    }
  }

  /** It is not pending any more, whoever still has to do with it, and not tried again for a while. */
  #fail(path: PendingPath, error: unknown): void {
    if (this.#closing.signal.aborted) return;
    const { storePath, narHash } = path.found.narInfo;
    const { hashPart } = storePath;
    this.#failures.add(hashPart, error);
    if (!isNarthexError(error, 'REFERENCE_FAILED')) {
      this.#failures.add(ownKey(hashPart), error);
      this.#failures.add(narHash.toString(), error);
    }
    if (this.#pending.find(hashPart) === path) {
      this.#pending.delete(path);
      this.#options.onPath?.({ type: 'failed', baseName: path.baseName, error });
    }
    if (this.#queue.drop(hashPart)) this.#options.onFailure?.(error);
  }

  /** A closure has done with a path that is not kept. */
  #leave(path: PendingPath): void {
    path.closures--;
    if (path.closures === 0) this.#pending.delete(path);
  }
}

/** Under which it is remembered that a path failed by itself: other closures run into that too. */
function ownKey(hashPart: string): string {
  return `own ${hashPart}`;
}

/** The path of a closure that a narinfo is about; a closure asks for contents of what it has found here. */
function requirePath({ narInfo }: UpstreamNarInfo, paths: ClosurePaths): PendingPath {
  const path = paths.get(narInfo.storePath.hashPart);
  if (path === undefined) throw new TypeError('the content of a path that was not found');
  return path;
}
