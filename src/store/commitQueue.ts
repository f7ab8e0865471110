/**
 * Commits, one after the other, each for all who wait at the time: content goes to disk, then its
 * index entries and the PathInfos that wait are put in one transaction.
 */
import { isNarthexError } from '../errors.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { ContentCommit } from './contentStore.ts';

/** PathInfos put in one transaction: they keep the event loop some 20 ms. */
const TRANSACTION_PATH_INFOS = 256;

/** What a commit queue is made of. */
export interface CommitQueueParts {
  /** Brings content to disk. */
  prepareContent(): Promise<ContentCommit>;
  /** Runs in a transaction that is on disk when the promise is fulfilled. */
  transaction<T>(action: () => T): Promise<T>;
  /** Puts one PathInfo, inside a transaction. */
  put(pathInfo: PathInfo): PathInfo;
}

/** PathInfos that one caller wants kept, and what became of them. */
interface Waiting {
  readonly pathInfos: readonly PathInfo[];
  readonly kept: PathInfo[];
  readonly resolve: (kept: PathInfo[]) => void;
  readonly reject: (error: unknown) => void;
  /** Why its next PathInfo was refused. */
  refusal: unknown;
}

/** Refusals of one PathInfo: nothing of it was written, and the transaction can go on. */
const REFUSALS = ['BLOB_MISSING', 'DIRECTORY_MISSING', 'REFERENCE_MISSING'] as const;

/** Takes what is to be committed. */
export class CommitQueue {
  readonly #parts: CommitQueueParts;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(parts: CommitQueueParts) {
    this.#parts = parts;
  }

  /** Brings all content that is visible now to disk. @throws STORE_FAILED */
  async flush(): Promise<void> {
    await this.putAll([]);
  }

  /**
   * Keeps PathInfos in the order given, on disk once the promise is fulfilled.
   * @returns what is kept of each
   * @throws BLOB_MISSING | DIRECTORY_MISSING | REFERENCE_MISSING those before it are kept
   * @throws STORE_FAILED | STORE_INVALID
   */
  putAll(pathInfos: readonly PathInfo[]): Promise<PathInfo[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pathInfos, kept: [], resolve, reject, refusal: undefined });
      this.#running ??= this.#run();
    });
  }

  /** Settles when nothing waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // whoever asks in the same turn of the event loop waits for the same commit
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) await this.#commit();
    this.#running = undefined;
  }

  async #commit(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = [];
    const counts = group.map(({ kept }) => kept.length);
    try {
      const content = await this.#parts.prepareContent();
      if (!content.isEmpty || group.some(({ pathInfos }) => pathInfos.length > 0)) {
        await this.#parts.transaction(() => {
          content.write();
          this.#putSome(group);
        });
        content.committed();
      }
    } catch (error) {
      for (const [index, waiting] of group.entries()) {
        waiting.kept.length = counts[index] ?? 0;
        waiting.reject(error);
      }
      return;
    }
    const unfinished: Waiting[] = [];
    for (const waiting of group) {
      if (waiting.refusal !== undefined) waiting.reject(waiting.refusal);
      else if (waiting.kept.length === waiting.pathInfos.length) waiting.resolve(waiting.kept);
      else unfinished.push(waiting);
    }
    this.#waiting.unshift(...unfinished);
  }

  /** Puts as many as one transaction takes, those first who waited first. */
  #putSome(group: readonly Waiting[]): void {
    let room = TRANSACTION_PATH_INFOS;
    for (const waiting of group) {
      while (room > 0 && waiting.refusal === undefined) {
        const pathInfo = waiting.pathInfos[waiting.kept.length];
        if (pathInfo === undefined) break;
        try {
          waiting.kept.push(this.#parts.put(pathInfo));
        } catch (error) {
          if (!REFUSALS.some((code) => isNarthexError(error, code))) throw error;
          waiting.refusal = error;
        }
        room--;
      }
    }
  }
}
