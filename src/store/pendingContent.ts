/**
 * Content that was appended to packs and is not in the index yet: what this process must remember
 * between writing and committing.
 */
import type { Digest } from '../castore/digest.ts';
import type { RecordKind, RecordLocation } from './packFormat.ts';
import { storeFailure } from './storeFailure.ts';

/** One record on its way. */
export interface PendingRecord {
  readonly kind: RecordKind;
  readonly digest: Digest;
  /** For a blob: its chunk list, the value in the index. */
  readonly chunkList: Uint8Array | undefined;
  /** What the index has in its place and is to be replaced, where that is damaged. */
  replaces: Uint8Array | undefined;
  /** Known once it is encoded and appended. */
  location: RecordLocation | undefined;
  /** Keeps the pack that it lies in; disposed of when it is committed or forgotten. */
  readonly hold: Disposable | undefined;
  /** Settles when `location` is known, or rejects when the record could not be written. */
  readonly appended: Promise<void>;
  /** Writers that count on it. */
  writers: number;
  /** Whether some writer that counted on it has been closed: it can be read, and will be committed. */
  published: boolean;
  /** Whether it is in the index. */
  committed: boolean;
}

/** The records on their way, by kind and digest. */
export class PendingContent {
  readonly #records: Readonly<Record<RecordKind, Map<string, PendingRecord>>> = {
    chunk: new Map(),
    directory: new Map(),
    blob: new Map(),
  };
  #publishedCount = 0;
  #publishedBytes = 0;

  /** How many records wait to be committed. */
  get publishedCount(): number {
    return this.#publishedCount;
  }

  /** How many bytes they have at rest. */
  get publishedBytes(): number {
    return this.#publishedBytes;
  }

  get(kind: RecordKind, digest: Digest): PendingRecord | undefined {
    return this.#records[kind].get(digest.key);
  }

  /**
   * Remembers a record that is being written by `append`.
   * @param hold keeps the pack that it will lie in
   */
  add(
    kind: RecordKind,
    digest: Digest,
    chunkList: Uint8Array | undefined,
    append: () => Promise<RecordLocation>,
    hold: Disposable | undefined,
  ): PendingRecord {
    const record: PendingRecord = {
      kind,
      digest,
      chunkList,
      replaces: undefined,
      location: undefined,
      writers: 0,
      published: false,
      committed: false,
      hold,
      appended: append().then((location) => {
        record.location = location;
      }),
    };
    this.#records[kind].set(digest.key, record);
    // what was not written can be written again; those who wait for it see the failure
    record.appended.catch(() => this.drop(record));
    return record;
  }

  /** A writer that counts on the records is closed. */
  publish(records: Iterable<PendingRecord>): void {
    for (const record of records) {
      record.writers--;
      if (record.published) continue;
      record.published = true;
      this.#publishedCount++;
      this.#publishedBytes += record.location?.encodedSize ?? 0;
    }
  }

  /** A writer that counted on the records is given up; what no one else counts on is forgotten. */
  abandon(records: Iterable<PendingRecord>): void {
    for (const record of records) {
      record.writers--;
      if (record.writers === 0 && !record.published) this.drop(record);
    }
  }

  /** The records to commit next. */
  published(): PendingRecord[] {
    return Object.values(this.#records).flatMap((records) =>
      [...records.values()].filter((record) => record.published),
    );
  }

  /** The records are in the index and need not be remembered. */
  commit(records: Iterable<PendingRecord>): void {
    for (const record of records) {
      record.committed = true;
      this.drop(record);
    }
  }

  /** Forgets a record. */
  drop(record: PendingRecord): void {
    record.hold?.[Symbol.dispose]();
    const records = this.#records[record.kind];
    if (records.get(record.digest.key) !== record) return;
    records.delete(record.digest.key);
    if (!record.published) return;
    this.#publishedCount--;
    this.#publishedBytes -= record.location?.encodedSize ?? 0;
  }

  /** Forgets the records that lie in a pack whose writes were lost. */
  dropLost(failureOf: (pack: number) => unknown): void {
    for (const records of Object.values(this.#records)) {
      for (const record of records.values()) {
        if (record.location !== undefined && failureOf(record.location.pack) !== undefined) {
          this.drop(record);
        }
      }
    }
  }
}

/** Whether a writer may still count on a record. @throws STORE_FAILED when its pack lost writes */
export function checkNotLost(record: PendingRecord, writerFailure: unknown, store: string): void {
  if (writerFailure !== undefined && !record.committed) {
    throw storeFailure('writing a pack', store, writerFailure);
  }
}
