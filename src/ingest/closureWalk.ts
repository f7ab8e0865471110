/**
 * The closure walk: from wanted store paths to stored PathInfos.
 *
 * Breadth first and without recursion: a chain of 100,000 references and a diamond of 10,000 are
 * ordinary. For each path: is it present? else its narinfo; then, at the same time, its NAR and the
 * same for each of its references. A path is *ready* once its content and all its references are;
 * ready paths are put in the order in which they became so, which is references first, as many at
 * once as have gathered while the last ones were being put.
 *
 * A failure fails the paths above it and nothing else: a path is known by its whole name, so that
 * one who refers to it by a wrong name fails alone. Paths that wait for each other are found once
 * nothing else is left to do, and failed as cycles.
 */
import type { Node } from '../castore/node.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';
import { FetchLanes } from './fetchLanes.ts';
import { Queue } from './queue.ts';
import type { WalkEvent } from './walkEvent.ts';
import {
  contentOf,
  culpritOf,
  cycleError,
  errorOf,
  type FoundNarInfo,
  isWaiting,
  nameOfItem,
  nameOfWanted,
  notFound,
  pathInfoOf,
  requireName,
  resultOf,
  takeReferrers,
  type WalkItem,
  type WalkResult,
  type WantedPath,
} from './walkItem.ts';

export type { WalkEvent } from './walkEvent.ts';
export type { FoundNarInfo, WalkResult, WantedPath } from './walkItem.ts';

/** What a walk does for each path; it decides only when. */
export interface WalkSteps<Found extends FoundNarInfo> {
  /** What is there already and good enough. */
  findPresent(wanted: WantedPath): Promise<PathInfo | undefined>;
  /** The narinfo, or `undefined` when no upstream has it. */
  findNarInfo(wanted: WantedPath): Promise<Found | undefined>;
  /** Brings the content in. */
  ingestContent(found: Found): Promise<Node>;
  /** How an edge to a reference, given by its base name, is marked; `unchecked` by default. */
  evidenceOf?(baseName: string): Evidence;
  /** Keeps PathInfos, in the order given. */
  putAll(pathInfos: readonly PathInfo[]): Promise<readonly PathInfo[]>;
}

/** How many paths a walk works on at once; both at least 1. */
export interface WalkLimits {
  /** Paths that are looked for, locally and as narinfos. */
  readonly narinfosInFlight: number;
  /** Paths whose content is brought in. */
  readonly narsInFlight: number;
  /**
   * Paths with a NAR of at most `SMALL_NAR_BYTES` whose content is brought in, besides the others:
   * what these take is round trips, not bytes. Without it they are counted with the others.
   */
  readonly smallNarsInFlight?: number | undefined;
}

/** The most PathInfos that are put at once. */
const PUT_BATCH = 1024;

/** A path that is about to be put. */
interface ReadyPath<Found extends FoundNarInfo> {
  readonly item: WalkItem<Found>;
  readonly pathInfo: PathInfo;
}

/** One walk; it is run once. */
export class ClosureWalk<Found extends FoundNarInfo> {
  readonly #steps: WalkSteps<Found>;
  readonly #narinfosInFlight: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onEvent: ((event: WalkEvent) => void) | undefined;
  /** Hash parts of what was asked for. */
  readonly #asked = new Set<string>();
  /** By base name, and by hash part what was asked for without a name. */
  readonly #items = new Map<string, WalkItem<Found>>();
  readonly #toDiscover = new Queue<WalkItem<Found>>();
  readonly #fetches: FetchLanes<WalkItem<Found>>;
  readonly #toPut = new Queue<WalkItem<Found>>();
  #discovering = 0;
  #putting = false;
  readonly #finished = Promise.withResolvers<void>();

  /** @param options.onEvent must not throw: the walk would end with what it throws */
  constructor(
    steps: WalkSteps<Found>,
    options: {
      readonly limits: WalkLimits;
      readonly signal?: AbortSignal | undefined;
      readonly onEvent?: ((event: WalkEvent) => void) | undefined;
    },
  ) {
    const { narinfosInFlight, narsInFlight, smallNarsInFlight } = options.limits;
    // with none in flight a walk would take its whole queue for a cycle
    if (!(narinfosInFlight >= 1 && narsInFlight >= 1 && (smallNarsInFlight ?? 1) >= 1)) {
      throw new TypeError('a walk works on one path at once, or on more');
    }
    this.#steps = steps;
    this.#narinfosInFlight = narinfosInFlight;
    this.#fetches = new FetchLanes(narsInFlight, smallNarsInFlight);
    this.#signal = options.signal;
    this.#onEvent = options.onEvent;
  }

  /**
   * Brings in the closures of all wanted paths.
   * @returns what became of each, in order
   * @throws the signal's reason, after what was under way has ended
   */
  async run(wanted: readonly WantedPath[]): Promise<WalkResult[]> {
    for (const { hashPart } of wanted) this.#asked.add(hashPart);
    const roots = wanted.map((path) => this.#item(path));
    this.#pump();
    await this.#finished.promise;
    this.#signal?.throwIfAborted();
    return roots.map(resultOf);
  }

  #item(wanted: WantedPath): WalkItem<Found> {
    const key = nameOfWanted(wanted);
    let item = this.#items.get(key);
    if (item === undefined) {
      item = {
        wanted,
        isRoot: this.#asked.has(wanted.hashPart),
        sameAs: undefined,
        referrers: [],
        references: [],
        found: undefined,
        node: undefined,
        waitingFor: 1,
        isReady: false,
        content: undefined,
        pathInfo: undefined,
        failure: undefined,
      };
      this.#items.set(key, item);
      this.#toDiscover.push(item);
    }
    return item;
  }

  get #aborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Goes on; finishes when nothing is left. */
  #pump(): void {
    this.#start();
    if (this.#discovering + this.#fetches.inFlight > 0 || this.#putting) return;
    if (!this.#aborted) this.#failCycles();
    this.#finished.resolve();
  }

  /** Starts what the limits allow; an abort may come from within a step that is being started. */
  #start(): void {
    while (!this.#aborted && this.#discovering < this.#narinfosInFlight) {
      const item = this.#toDiscover.shift();
      if (item === undefined) break;
      this.#discovering++;
      this.#whenEnded(this.#guard(item, this.#discover(item)), () => this.#discovering--);
    }
    while (!this.#aborted) {
      const turn = this.#fetches.take();
      if (turn === undefined) break;
      const { item } = turn;
      // of what has failed meanwhile, for want of a reference, nothing is fetched
      if (item.failure !== undefined) turn.end();
      else this.#whenEnded(this.#guard(item, this.#fetch(item)), () => turn.end());
    }
    if (!this.#aborted && !this.#putting && this.#toPut.length > 0) {
      this.#putting = true;
      this.#whenEnded(this.#put(this.#toPut.take(PUT_BATCH)), () => {
        this.#putting = false;
      });
    }
  }

  /** Goes on after a step. A step's failure is its path's; what arrives here is a fault of ours. */
  #whenEnded(step: Promise<void>, ended: () => void): void {
    step
      .then(() => {
        ended();
        this.#pump();
      })
      .catch((error) => this.#finished.reject(error));
  }

  async #guard(item: WalkItem<Found>, step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (error) {
      this.#fail(item, error);
    }
  }

  async #discover(item: WalkItem<Found>): Promise<void> {
    const present = await this.#steps.findPresent(item.wanted);
    if (present !== undefined) {
      if (this.#isKnownBy(item, present.storePath)) return;
      this.#onEvent?.({ type: 'present', pathInfo: present });
      item.isReady = true;
      this.#settle(item, present);
      for (const referrer of takeReferrers(item)) this.#awaitLess(referrer);
      return;
    }
    const found = await this.#steps.findNarInfo(item.wanted);
    if (found === undefined) throw notFound(item);
    const { narInfo, origin } = found;
    if (this.#isKnownBy(item, narInfo.storePath)) return;
    this.#onEvent?.({ type: 'found', narInfo, origin });
    item.found = found;
    this.#link(item, narInfo);
    if (item.failure === undefined) this.#fetches.push(item, narInfo.narSize);
  }

  /**
   * Whether the path found for `item` is wanted by its full name as well, by another item, which then
   * does what is to be done.
   * @throws STORE_PATH_MISMATCH
   */
  #isKnownBy(item: WalkItem<Found>, storePath: StorePath): boolean {
    requireName(item.wanted, storePath);
    const known = this.#items.get(storePath.baseName);
    if (known === item) return false;
    if (known !== undefined) {
      item.sameAs = known;
      return true;
    }
    item.wanted = storePath;
    this.#items.set(storePath.baseName, item);
    return false;
  }

  /** Makes `item` wait for what its narinfo refers to. */
  #link(item: WalkItem<Found>, { storePath, references }: NarInfo): void {
    const seen = new Set([storePath.baseName]);
    for (const reference of references) {
      if (seen.has(reference.baseName)) continue;
      seen.add(reference.baseName);
      const below = this.#item(reference);
      item.references.push(below);
      if (below.failure !== undefined) this.#failAbove(item, below);
      else if (!below.isReady) {
        item.waitingFor++;
        below.referrers.push(item);
      }
    }
  }

  async #fetch(item: WalkItem<Found>): Promise<void> {
    const { found } = item;
    if (found === undefined) throw new TypeError('content is fetched after discovery');
    this.#onEvent?.({ type: 'fetching', narInfo: found.narInfo });
    item.node = await this.#steps.ingestContent(found);
    this.#onEvent?.({ type: 'fetched', narInfo: found.narInfo });
    this.#awaitLess(item);
  }

  /** One thing less to wait for. Without recursion: readiness may travel up a long chain. */
  #awaitLess(first: WalkItem<Found>): void {
    const affected = [first];
    for (let item = affected.pop(); item !== undefined; item = affected.pop()) {
      item.waitingFor--;
      if (item.waitingFor > 0 || item.failure !== undefined) continue;
      item.isReady = true;
      this.#toPut.push(item);
      // one by one: there may be more referrers than a call takes arguments
      for (const referrer of takeReferrers(item)) affected.push(referrer);
    }
  }

  async #put(items: readonly WalkItem<Found>[]): Promise<void> {
    const batch: ReadyPath<Found>[] = [];
    for (const item of items) {
      if (this.#failedBelow(item)) continue;
      try {
        const pathInfo = pathInfoOf(item, this.#steps.evidenceOf);
        item.content = contentOf(pathInfo);
        batch.push({ item, pathInfo });
      } catch (error) {
        this.#fail(item, error);
      }
    }
    await this.#putBatch(batch);
  }

  async #putBatch(batch: readonly ReadyPath<Found>[]): Promise<void> {
    const puttable = batch.filter(({ item }) => !this.#failedBelow(item));
    const [first] = puttable;
    if (first === undefined || this.#aborted) return;
    let kept: readonly PathInfo[];
    try {
      kept = await this.#steps.putAll(puttable.map(({ pathInfo }) => pathInfo));
    } catch (error) {
      if (puttable.length === 1) {
        this.#fail(first.item, error);
        return;
      }
      // in halves, to see which it is; what was put is put again unchanged
      const middle = puttable.length >>> 1;
      await this.#putBatch(puttable.slice(0, middle));
      await this.#putBatch(puttable.slice(middle));
      return;
    }
    for (const [i, { item, pathInfo }] of puttable.entries()) {
      const stored = kept[i] ?? pathInfo;
      this.#onEvent?.({ type: 'kept', pathInfo: stored });
      this.#settle(item, stored);
    }
  }

  /**
   * Whether the path cannot be put because it or what it refers to has failed. A path may be ready by
   * the time that a reference could not be put, so that nobody told it.
   */
  #failedBelow(item: WalkItem<Found>): boolean {
    const below = item.references.find(({ failure }) => failure !== undefined);
    if (below !== undefined) this.#failAbove(item, below);
    return item.failure !== undefined;
  }

  /** A path that is kept, or was there: all that is remembered is what others need of it. */
  #settle(item: WalkItem<Found>, pathInfo: PathInfo): void {
    item.content = contentOf(pathInfo);
    if (item.isRoot) item.pathInfo = pathInfo;
    item.found = undefined;
    item.node = undefined;
    item.references = [];
  }

  #fail(item: WalkItem<Found>, error: unknown): void {
    if (item.failure !== undefined || this.#aborted) return;
    this.#record(item, { error });
    this.#failReferrers([item]);
  }

  #failAbove(item: WalkItem<Found>, below: WalkItem<Found>): void {
    if (item.failure !== undefined || this.#aborted) return;
    this.#record(item, { below, culprit: culpritOf(below) });
    this.#failReferrers([item]);
  }

  /** Fails all that waits for what has failed, breadth first, so that chains are named by the shortest way. */
  #failReferrers(failed: WalkItem<Found>[]): void {
    for (const below of failed) {
      const culprit = culpritOf(below);
      for (const referrer of takeReferrers(below)) {
        if (referrer.failure !== undefined) continue;
        this.#record(referrer, { below, culprit });
        failed.push(referrer); // the loop comes to it
      }
    }
  }

  #record(item: WalkItem<Found>, failure: NonNullable<WalkItem<Found>['failure']>): void {
    item.failure = failure;
    this.#onEvent?.({ type: 'failed', path: nameOfItem(item), error: errorOf(item) });
  }

  /**
   * With nothing under way, whoever still waits is in a cycle or above one. From each of them a walk
   * down ends in a cycle, and with the cycle all that was walked over fails: one pass finds all.
   */
  #failCycles(): void {
    for (const start of this.#items.values()) {
      if (!isWaiting(start)) continue;
      const walked: WalkItem<Found>[] = [];
      const position = new Map<WalkItem<Found>, number>();
      let item: WalkItem<Found> | undefined = start;
      while (item !== undefined && !position.has(item)) {
        position.set(item, walked.length);
        walked.push(item);
        item = item.references.find(isWaiting);
      }
      if (item === undefined) throw new TypeError('a waiting path waits for another');
      const cycle = walked.slice(position.get(item));
      // all members first: none of them fails because of another
      for (const [place, member] of cycle.entries()) {
        this.#record(member, { error: cycleError(cycle, place) });
      }
      this.#failReferrers(cycle);
    }
  }
}
