/** Takes content that becomes visible together, once it is published. */
import type { Digest } from '../castore/digest.ts';
import type { RecordKind, RecordLocation } from './packFormat.ts';
import { checkNotLost, type PendingContent, type PendingRecord } from './pendingContent.ts';

/**
 * Bytes that one writer may have handed over and that are not appended yet: enough to keep several
 * encoders busy, and little enough for many writers at once.
 */
const IN_FLIGHT_BYTES = 2 * 1024 * 1024;

/** What a writer does not do itself. */
export interface ContentWriterParts {
  /** The store's, for errors. */
  readonly path: string;
  readonly pending: PendingContent;
  /** Whether the index has it, so that it need not be written; it is kept from then on. */
  find(kind: RecordKind, digest: Digest): boolean;
  /** The same for what only has to be there, also seeing what another process committed just now. */
  relyOn(kind: RecordKind, digest: Digest): Promise<boolean>;
  /** What the index has of it, where that is damaged and to be replaced. */
  distrusted(kind: RecordKind, digest: Digest): Uint8Array | undefined;
  /** Keeps what is written and found from now on. */
  hold(): Disposable | undefined;
  failureOf(pack: number): unknown;
  append(
    kind: RecordKind,
    digest: Digest,
    raw: Uint8Array,
    compressible: boolean,
  ): Promise<RecordLocation>;
  /** Called when something was published. */
  published(): Promise<void>;
}

/** Writes records that are not there yet. Disposing of it before `publish` abandons them. */
export class ContentWriter implements AsyncDisposable {
  readonly #parts: ContentWriterParts;
  /** Those that this writer counts on, since they are in the index of no one yet. */
  readonly #records = new Set<PendingRecord>();
  readonly #appending = new Set<Promise<void>>();
  #appendingBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  /** Of what it finds. */
  readonly #hold: Disposable | undefined;

  constructor(parts: ContentWriterParts) {
    this.#parts = parts;
    this.#hold = parts.hold();
  }

  /** How many records it holds back. */
  get recordCount(): number {
    return this.#records.size;
  }

  /** Whether the record is stored, visible, or written by this writer. */
  async has(kind: RecordKind, digest: Digest): Promise<boolean> {
    const pending = this.#parts.pending.get(kind, digest);
    if (pending !== undefined && (pending.published || this.#records.has(pending))) return true;
    return await this.#parts.relyOn(kind, digest);
  }

  /**
   * Takes a chunk or directory, which is looked for before it is compressed.
   * @param raw may be reused once the promise has settled
   * @throws STORE_FAILED this or an earlier record could not be written
   */
  async add(kind: 'chunk' | 'directory', digest: Digest, raw: Uint8Array): Promise<void> {
    await this.#add(kind, digest, raw, undefined);
  }

  /** Takes the chunk list of a blob, whose record is `digest ‖ chunk list`. @throws STORE_FAILED */
  async addBlob(digest: Digest, chunkList: Uint8Array): Promise<void> {
    await this.#add('blob', digest, Buffer.concat([digest.bytes, chunkList]), chunkList);
  }

  /** Makes all that was taken visible. The writer can be used further. @throws STORE_FAILED */
  async publish(): Promise<void> {
    await Promise.all(this.#appending);
    this.#throwFailure();
    const { pending, path, failureOf } = this.#parts;
    for (const record of this.#records) {
      await record.appended;
      checkNotLost(record, record.location && failureOf(record.location.pack), path);
    }
    pending.publish(this.#records);
    this.#records.clear();
    await this.#parts.published();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#appending);
    this.#parts.pending.abandon(this.#records);
    this.#records.clear();
    this.#hold?.[Symbol.dispose]();
  }

  async #add(
    kind: RecordKind,
    digest: Digest,
    raw: Uint8Array,
    chunkList: Uint8Array | undefined,
  ): Promise<void> {
    this.#throwFailure();
    const { pending } = this.#parts;
    let record = pending.get(kind, digest);
    if (record === undefined) {
      if (this.#parts.find(kind, digest)) return;
      const append = () => this.#parts.append(kind, digest, raw, kind !== 'blob');
      // others may count on it for longer than this writer is open
      record = pending.add(kind, digest, chunkList, append, this.#parts.hold());
      this.#track(record, raw.length);
    }
    record.replaces ??= this.#parts.distrusted(kind, digest);
    if (!this.#records.has(record)) {
      record.writers++;
      this.#records.add(record);
    }
    while (this.#appendingBytes > IN_FLIGHT_BYTES) await Promise.race(this.#appending);
  }

  #track(record: PendingRecord, bytes: number): void {
    this.#appendingBytes += bytes;
    const settled = record.appended
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => {
        this.#appendingBytes -= bytes;
        this.#appending.delete(settled);
      });
    this.#appending.add(settled);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
