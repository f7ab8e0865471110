/**
 * Whether what a node stands for is there: every directory, blob and chunk below it, with the sizes that are said.
 * Each is looked at once for each node, whatever it renders to, and nothing is recursive. What is wrong is noted in
 * the ledger; what is wrong with this node is given out. What is missing is noted by whoever knows that it still is
 * to be there.
 */
import { EMPTY, equalBytes } from '../bytes.ts';
import type { ChunkRef } from '../castore/blobService.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import type { Directory } from '../castore/directory.ts';
import type { DirectoryNode, FileNode, Node } from '../castore/node.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import type { BlobSource } from '../render/readContents.ts';
import { ChunkList } from '../store/chunkList.ts';
import type { IndexedRecord } from '../store/recordCheck.ts';
import type { BlobRow, ContentKind, StoreInspection } from '../store/storeInspection.ts';
import type { DamagedContent } from '../store/storeRepair.ts';
import type { AffectedPath, DamageLedger, DamageSubject } from './damage.ts';
import type { RecordVerification } from './recordVerification.ts';

const EMPTY_BLOB = Digest.of(EMPTY);
/** Nodes after which others get their turn: look-ups are synchronous. */
const NODES_IN_A_ROW = 256;

/** Something that is wrong with a path. */
export interface PathFault {
  readonly subject: DamageSubject;
  readonly error: NarthexError;
  /** Content that is not there, and is not in the ledger yet. */
  readonly missing?: readonly DamagedContent[];
}

/** Codes of what is wrong with what was read, as against not being able to read. */
const DAMAGE_CODES = [
  'DIGEST_MISMATCH',
  'DIRECTORY_INVALID',
  'NODE_INVALID',
  'STORE_INVALID',
] as const;

/** Whether an error tells of damage, and not of a failure. */
export function isDamage(error: unknown): error is NarthexError {
  return DAMAGE_CODES.some((code) => isNarthexError(error, code));
}

/** Notes what is wrong, and with which path. */
export function noteFaults(
  faults: readonly PathFault[],
  ledger: DamageLedger,
  affected?: AffectedPath,
): void {
  for (const { subject, error, missing = [] } of faults) {
    for (const content of missing) {
      ledger.addContent({ ...content, rewriteFrom: undefined, subject }, error);
    }
    ledger.add(subject, error, affected);
  }
}

/** Checks the content of nodes. */
export class ContentVerification {
  readonly #inspection: StoreInspection;
  readonly #records: RecordVerification;
  readonly #ledger: DamageLedger;
  /** Blobs of more than one chunk that were hashed as a whole. */
  readonly #hashed = new Set<string>();

  constructor(inspection: StoreInspection, records: RecordVerification, ledger: DamageLedger) {
    this.#inspection = inspection;
    this.#records = records;
    this.#ledger = ledger;
  }

  /**
   * Everything below a node.
   * @param onRecord told of every record that is found, several times where several files hold it
   * @throws STORE_FAILED and the reason of an abort
   */
  async node(
    root: Node,
    signal: AbortSignal | undefined,
    onRecord: (record: IndexedRecord) => void = () => {},
  ): Promise<PathFault[]> {
    const faults: PathFault[] = [];
    const seen = new Set<string>();
    const waiting: Node[] = [root];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (node.type === 'symlink') continue;
      // the same digest under another size is looked at again
      const key = `${node.type} ${node.digest.key} ${node.size}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size % NODES_IN_A_ROW === 0) {
        signal?.throwIfAborted();
        await new Promise(setImmediate);
      }
      if (node.type === 'file') {
        faults.push(...(await this.#file(node, onRecord)));
        continue;
      }
      const read = await this.#directory(node, onRecord);
      if ('error' in read) faults.push(read);
      else for (const entry of read.entries) waiting.push(entry.node);
    }
    return faults;
  }

  /** The chunk list of a blob: it can be read, and its chunks are there in the sizes that it says. */
  async blob({ digest, value }: BlobRow): Promise<PathFault[]> {
    const known = this.#ledger.contentFault('blob', digest);
    return known === undefined ? await this.#chunks(digest, value, undefined, () => {}) : [known];
  }

  /**
   * Blobs of `source`, to be read whole, hashed on the way.
   * @throws DIGEST_MISMATCH at the end of one that is another, after it was noted
   */
  hashing(source: BlobSource): BlobSource {
    return {
      read: async (digest, options) => {
        const pieces = await source.read(digest, options);
        const isWhole = (options?.offset ?? 0) === 0;
        const list = isWhole ? this.#inspection.chunkList(digest) : undefined;
        if (pieces === undefined || list === undefined || this.#hashed.has(digest.key)) {
          return pieces;
        }
        return this.#hash(digest, list, pieces);
      },
    };
  }

  /** Hashes a blob that was not yet. @throws STORE_FAILED and the reason of an abort */
  async hashBlob(
    digest: Digest,
    source: BlobSource,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#hashed.has(digest.key) || this.#ledger.contentFault('blob', digest)) return;
    try {
      const pieces = await this.hashing(source).read(digest, { signal });
      for await (const _ of pieces ?? []) signal?.throwIfAborted();
    } catch (error) {
      // it was noted: here, or with the chunk
      if (!isDamage(error) && !isNarthexError(error, 'BLOB_MISSING')) throw error;
    }
  }

  async *#hash(
    digest: Digest,
    list: Uint8Array,
    pieces: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const hasher = new DigestHasher();
    for await (const piece of pieces) {
      hasher.update(piece);
      yield piece;
    }
    const actual = hasher.finish();
    if (actual.equals(digest)) {
      this.#hashed.add(digest.key);
      return;
    }
    const facts = { expected: String(digest), actual: String(actual) };
    const message = `blob ${digest} hashes to ${actual}`;
    const error = new NarthexError('DIGEST_MISMATCH', message, facts);
    this.#inspection.refresh();
    const latest = this.#inspection.chunkList(digest);
    // all of its chunks are right, so that the list is wrong, unless it was replaced meanwhile
    if (latest !== undefined && equalBytes(latest, list)) this.#addBlob(digest, list, error);
    throw error;
  }

  async #directory(
    { digest, size }: Pick<DirectoryNode, 'digest' | 'size'>,
    onRecord: (record: IndexedRecord) => void,
  ): Promise<Directory | PathFault> {
    const record = await this.#record('directory', digest, onRecord);
    if ('error' in record) return record;
    const subject = { type: 'directory', digest } as const;
    let directory: Directory;
    try {
      directory = await this.#inspection.directory(digest, record.location);
    } catch (error) {
      if (!isDamage(error)) throw error;
      await this.#records.confirm(record, error, false);
      // otherwise it has moved, and is right where it is now
      if (this.#ledger.contentFault('directory', digest) === undefined) {
        return await this.#directory({ digest, size }, onRecord);
      }
      return { subject, error };
    }
    if (directory.size === size) return directory;
    return { subject, error: wrongSize('directory', digest, size, directory.size) };
  }

  async #file(
    { digest, size }: FileNode,
    onRecord: (record: IndexedRecord) => void,
  ): Promise<PathFault[]> {
    const subject = { type: 'blob', digest } as const;
    if (digest.equals(EMPTY_BLOB)) {
      return size === 0 ? [] : [{ subject, error: wrongSize('blob', digest, size, 0) }];
    }
    const isChunk = this.#inspection.content('chunk', digest) !== undefined;
    if (isChunk || this.#ledger.contentFault('chunk', digest) !== undefined) {
      const record = await this.#record('chunk', digest, onRecord);
      if ('error' in record) return [record];
      const { location } = record;
      if (location.size === size) return [];
      return [this.#wrongChunk(digest, size, location.size)];
    }
    const known = this.#ledger.contentFault('blob', digest);
    if (known !== undefined) return [known];
    const list = this.#inspection.chunkList(digest);
    if (list !== undefined) return await this.#chunks(digest, list, size, onRecord);
    const error = new NarthexError('BLOB_MISSING', `blob ${digest} is not there`, {
      digest: String(digest),
    });
    // nobody knows any more whether it was one chunk or several
    const kinds = ['chunk', 'blob'] as const;
    const missing = kinds.map((kind) => ({ kind, digest, value: undefined }));
    return [{ subject, error, missing }];
  }

  async #chunks(
    blob: Digest,
    value: Uint8Array,
    size: number | undefined,
    onRecord: (record: IndexedRecord) => void,
  ): Promise<PathFault[]> {
    let list: ChunkList;
    try {
      list = ChunkList.parse(blob, value);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return [this.#addBlob(blob, value, error)];
    }
    const faults: PathFault[] = [];
    let total = 0;
    for (let index = 0; index < list.count; index++) {
      const chunk = list.chunkAt(index);
      total += chunk.size;
      const record = await this.#record('chunk', chunk.digest, onRecord);
      if ('error' in record) {
        faults.push(record);
        // written anew with the chunk: it may be cut otherwise by now
        this.#ledger.addReplaceable('blob', blob, value);
      } else if (record.location.size !== chunk.size) {
        faults.push(this.#addBlob(blob, value, wrongChunkSize(blob, chunk, record.location.size)));
      }
    }
    if (faults.length === 0 && size !== undefined && total !== size) {
      faults.push(this.#addBlob(blob, value, wrongSize('blob', blob, size, total)));
    }
    return faults;
  }

  async #record(
    kind: ContentKind,
    digest: Digest,
    onRecord: (record: IndexedRecord) => void,
  ): Promise<IndexedRecord | PathFault> {
    const known = this.#ledger.contentFault(kind, digest);
    if (known !== undefined) return known;
    const row = this.#inspection.content(kind, digest);
    const record = row && (await this.#records.located(row));
    if (record !== undefined) {
      onRecord(record);
      return record;
    }
    const found = this.#ledger.contentFault(kind, digest);
    if (found !== undefined) return found;
    const code = kind === 'chunk' ? 'BLOB_MISSING' : 'DIRECTORY_MISSING';
    // the digest may be a view of a list
    const own = new Digest(Uint8Array.from(digest.bytes));
    const error = new NarthexError(code, `${kind} ${own} is not there`, { digest: String(own) });
    const subject = { type: kind, digest: own };
    return { subject, error, missing: [{ kind, digest: own, value: undefined }] };
  }

  #wrongChunk(digest: Digest, expected: number, actual: number): PathFault {
    const subject = { type: 'chunk', digest } as const;
    const error = wrongSize('chunk', digest, expected, actual);
    const value = this.#inspection.content('chunk', digest)?.value;
    this.#ledger.addContent(
      { kind: 'chunk', digest, value, rewriteFrom: undefined, subject },
      error,
    );
    return { subject, error };
  }

  #addBlob(digest: Digest, value: Uint8Array, error: NarthexError): PathFault {
    const subject = { type: 'blob', digest } as const;
    this.#ledger.addContent(
      { kind: 'blob', digest, value, rewriteFrom: undefined, subject },
      error,
    );
    return { subject, error };
  }
}

function wrongSize(kind: string, digest: Digest, expected: number, actual: number): NarthexError {
  return new NarthexError(
    'NODE_INVALID',
    `${kind} ${digest} has size ${actual}, and is said to have ${expected}`,
    { digest: String(digest), field: 'size', expected, actual },
  );
}

function wrongChunkSize(blob: Digest, { digest, size }: ChunkRef, actual: number): NarthexError {
  return new NarthexError(
    'STORE_INVALID',
    `the chunk list of blob ${blob} says that chunk ${digest} has ${size} bytes, and it has ${actual}`,
    { digest: String(blob), chunk: String(digest), expected: size, actual },
  );
}
