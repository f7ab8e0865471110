/**
 * A binary cache inside a zip file, read in place: the files lie at the top or in one folder, as
 * zipping a folder makes it (`cache/nix-cache-info`).
 */
import { pathToFileURL } from 'node:url';
import { NarthexError } from '../errors.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { CacheInfo } from '../narinfo/cacheInfo.ts';
import { checkMaxBytes, collect, ownedBody } from './body.ts';
import { cacheFilePath, displayPath } from './cacheFilePath.ts';
import { codeOf, upstreamFailed } from './failure.ts';
import { ioFailed } from './localFile.ts';
import { CACHE_INFO_FILE, KeptCacheInfo, narinfoFile } from './smallFiles.ts';
import type {
  Upstream,
  UpstreamFile,
  UpstreamFileRequest,
  UpstreamOptions,
  UpstreamRequest,
} from './upstream.ts';
import { ZipArchive } from './zipArchive.ts';

const CACHE_INFO_AT_TOP = new RegExp(`^(?<folder>[^/]+/)?${CACHE_INFO_FILE}$`);

/**
 * The folder in which the cache lies, with its slash; empty for the top, and also where there is
 * no cache.
 */
function cacheFolder(names: Iterable<string>): string {
  const folders: string[] = [];
  for (const name of names) {
    const found = CACHE_INFO_AT_TOP.exec(name);
    if (found !== null) folders.push(found.groups?.['folder'] ?? '');
  }
  const [only] = folders;
  // of several folders none is the right one
  return folders.length === 1 && only !== undefined ? only : '';
}

class ZipUpstream implements Upstream {
  readonly url: string;
  readonly #archive: ZipArchive;
  readonly #folder: string;
  readonly #limits: Limits;
  readonly #info: KeptCacheInfo;
  #closed = false;

  constructor(archive: ZipArchive, url: string, options: UpstreamOptions) {
    this.url = url;
    this.#archive = archive;
    this.#folder = cacheFolder(archive.names());
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#info = new KeptCacheInfo(url, options);
  }

  cacheInfo({ signal }: UpstreamRequest = {}): Promise<CacheInfo> {
    return this.#info.get(signal, (shared) =>
      this.#small(CACHE_INFO_FILE, 'cacheInfoBytes', shared),
    );
  }

  async narinfo(
    hashPart: string,
    { signal }: UpstreamRequest = {},
  ): Promise<Uint8Array | undefined> {
    return this.#small(narinfoFile(hashPart), 'narinfoBytes', signal);
  }

  async file(url: string, request: UpstreamFileRequest = {}): Promise<UpstreamFile | undefined> {
    const { signal, maxBytes } = request;
    signal?.throwIfAborted();
    this.#checkOpen();
    const segments = cacheFilePath(url);
    const name = this.#folder + segments.join('/');
    const sizeBytes = this.#archive.sizeBytes(name);
    if (sizeBytes === undefined) return undefined;
    const shown = `${this.url}/${displayPath(segments)}`;
    checkMaxBytes(shown, sizeBytes, maxBytes);
    return { sizeBytes, body: ownedBody(this.#chunks(name, shown, signal), {}) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#archive[Symbol.asyncDispose]();
  }

  async #small(
    name: string,
    limit: keyof Limits,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted();
    this.#checkOpen();
    const inside = this.#folder + name;
    const sizeBytes = this.#archive.sizeBytes(inside);
    if (sizeBytes === undefined) return undefined;
    const url = `${this.url}/${name}`;
    checkLimit(this.#limits, limit, sizeBytes, { url });
    return collect(this.#chunks(inside, url, signal), this.#limits, limit, url);
  }

  async *#chunks(
    name: string,
    url: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#archive.read(name, url)) {
      signal?.throwIfAborted();
      this.#checkOpen();
      yield chunk;
    }
    signal?.throwIfAborted();
  }

  #checkOpen(): void {
    if (this.#closed) throw upstreamFailed('closed', this.url, 'closed already');
  }
}

/**
 * Opens the binary cache inside a zip file.
 * @param path a path of the file system, absolute or relative to the working directory
 * @throws NOT_A_BINARY_CACHE there is no such file
 * @throws ZIP_INVALID it is not a zip file, or a broken one
 * @throws LIMIT_EXCEEDED for zipEntries
 * @throws UPSTREAM_FAILED (kind `io`) it cannot be read
 */
export async function openZipUpstream(
  path: string,
  options: UpstreamOptions = {},
): Promise<Upstream> {
  const url = pathToFileURL(path).href;
  try {
    const archive = await ZipArchive.open(path, url, options.limits ?? DEFAULT_LIMITS);
    return new ZipUpstream(archive, url, options);
  } catch (error) {
    if (error instanceof NarthexError) throw error;
    if (codeOf(error) === 'ENOENT') {
      throw new NarthexError('NOT_A_BINARY_CACHE', `${path} does not exist`, { url }, error);
    }
    throw ioFailed(url, error);
  }
}
