/** Extra files in memory: for tests, and for caches that are looked at and thrown away. */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { missingBlob } from './extraFileErrors.ts';
import { extraFilePath } from './extraFileName.ts';
import type {
  ExtraFile,
  ExtraFileService,
  ListExtraFilesOptions,
  NamedExtraFile,
} from './extraFileService.ts';

/** An {@link ExtraFileService} that keeps names in memory; their contents are in a blob service. */
export class MemoryExtraFileService implements ExtraFileService {
  readonly #files = new Map<string, NamedExtraFile>();
  readonly #blobService: Pick<BlobService, 'has'>;
  readonly #limits: Pick<Limits, 'extraFiles'>;

  /** @param blobService asked whether a file's blob is there */
  constructor(
    blobService: Pick<BlobService, 'has'>,
    limits: Pick<Limits, 'extraFiles'> = DEFAULT_LIMITS,
  ) {
    this.#blobService = blobService;
    this.#limits = limits;
  }

  async get(
    name: NamedExtraFile['name'],
    options?: ServiceOptions,
  ): Promise<ExtraFile | undefined> {
    options?.signal?.throwIfAborted();
    return this.#files.get(extraFilePath(name))?.file;
  }

  async putAll(files: readonly NamedExtraFile[], options?: ServiceOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    for (const { name, file } of files) {
      if (!(await this.#blobService.has(file.digest, options))) throw missingBlob(name, file);
    }
    const byPath = files.map((named) => [extraFilePath(named.name), named] as const);
    const added = new Set(byPath.map(([path]) => path)).difference(this.#files);
    checkLimit(this.#limits, 'extraFiles', this.#files.size + added.size);
    for (const [path, named] of byPath) this.#files.set(path, named);
  }

  async *list(options: ListExtraFilesOptions = {}): AsyncGenerator<NamedExtraFile> {
    const { kind, signal } = options;
    for (const path of [...this.#files.keys()].sort()) {
      signal?.throwIfAborted();
      const named = this.#files.get(path);
      if (named !== undefined && (kind ?? named.name.kind) === named.name.kind) yield named;
    }
  }
}
