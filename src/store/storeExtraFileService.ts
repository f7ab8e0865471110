/** Extra files in the embedded store. */
import { utf8 } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { FileNode } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { missingBlob } from '../extraFiles/extraFileErrors.ts';
import {
  type ExtraFileName,
  extraFilePath,
  parseExtraFileName,
} from '../extraFiles/extraFileName.ts';
import type {
  ExtraFile,
  ExtraFileService,
  ListExtraFilesOptions,
  NamedExtraFile,
} from '../extraFiles/extraFileService.ts';
import { checkLimit, type Limits } from '../limits.ts';
import type { Lease } from './gc/lease.ts';
import { stampsOfNode } from './gc/stampsOf.ts';
import { FieldReader, FieldWriter } from './recordBytes.ts';
import { isStoredNode } from './storedNode.ts';
import type { StoreIndex } from './storeIndex.ts';

const RECORD_VERSION = 1;

/** What a {@link StoreExtraFileService} is made of. */
export interface StoreExtraFileParts {
  readonly index: StoreIndex;
  /** Brings content that was written to disk. */
  readonly flush: () => Promise<void>;
  /** Throws when the store takes no writes. */
  readonly checkWritable: () => void;
  readonly limits: Pick<Limits, 'extraFiles'>;
  /** Keeps the content of what is put; a store that is only read has none. */
  readonly lease: Lease | undefined;
}

/** The extra files of a store. Failures are `STORE_FAILED`, damage is `STORE_INVALID`. */
export class StoreExtraFileService implements ExtraFileService {
  readonly #parts: StoreExtraFileParts;

  constructor(parts: StoreExtraFileParts) {
    this.#parts = parts;
  }

  async get(name: ExtraFileName, options?: ServiceOptions): Promise<ExtraFile | undefined> {
    options?.signal?.throwIfAborted();
    const path = extraFilePath(name);
    const record = this.#parts.index.tables.extra.getFresh(utf8(path));
    return record && decodeExtraFile(path, record);
  }

  async putAll(files: readonly NamedExtraFile[], options?: ServiceOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    const { index, flush, checkWritable, limits, lease } = this.#parts;
    checkWritable();
    if (files.length === 0) return;
    // what the index refers to is on disk before the index says so
    await flush();
    options?.signal?.throwIfAborted();
    await lease?.ensureHeld();
    await index.transaction(() => {
      const { extra } = index.tables;
      let count = extra.count();
      for (const { name, file } of files) {
        const node = new FileNode(file.digest, file.size, false);
        if (!isStoredNode(index.tables, node)) throw missingBlob(name, file);
        const key = utf8(extraFilePath(name));
        if (!extra.has(key)) checkLimit(limits, 'extraFiles', ++count);
        extra.put(key, encodeExtraFile(file));
        lease?.keepCommitted(stampsOfNode(index.tables, node));
      }
    });
  }

  async *list(options: ListExtraFilesOptions = {}): AsyncGenerator<NamedExtraFile> {
    const { kind, signal } = options;
    const prefix = utf8(kind === undefined ? '' : FOLDER_OF_KIND[kind]);
    for (const { key, value } of this.#parts.index.tables.extra.withPrefix(prefix)) {
      signal?.throwIfAborted();
      const path = Buffer.from(key).toString('latin1');
      const name = parseExtraFileName(path);
      if (name === undefined) throw damaged(path);
      yield { name, file: decodeExtraFile(path, value) };
    }
  }
}

/** What the paths of a kind begin with. */
const FOLDER_OF_KIND: Readonly<Record<ExtraFileName['kind'], string>> = {
  log: 'log/',
  realisation: 'realisations/',
  buildTrace: 'build-trace-v2/',
  debugInfo: 'debuginfo/',
};

/** `version, digest (32 bytes), size`, numbers as varints (recordBytes.ts). */
function encodeExtraFile({ digest, size }: ExtraFile): Uint8Array {
  return new FieldWriter().uint(RECORD_VERSION).fixed(digest.bytes).uint(size).finish();
}

/** A row of `extra`. @throws STORE_INVALID */
export function decodeExtraFile(path: string, record: Uint8Array): ExtraFile {
  try {
    const reader = new FieldReader(record);
    const version = reader.uint();
    if (version !== RECORD_VERSION) throw reader.error(`version ${version} is unknown`);
    const file = { digest: new Digest(reader.fixed(DIGEST_BYTES)), size: reader.uint() };
    reader.end();
    return file;
  } catch (error) {
    throw damaged(path, error);
  }
}

function damaged(path: string, cause?: unknown): NarthexError {
  const facts = { url: excerpt(path) };
  const message = `the record of ${facts.url} in the index is damaged`;
  return new NarthexError('STORE_INVALID', message, facts, cause);
}
