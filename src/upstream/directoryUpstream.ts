/**
 * A binary cache in a directory, as `nix copy --to file://…` writes it. Nothing outside of the
 * directory is read, also not through symlinks.
 */
import { constants } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { bytesOfKey } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { CacheInfo } from '../narinfo/cacheInfo.ts';
import { checkMaxBytes, ownedBody } from './body.ts';
import { cacheFilePath, displayPath } from './cacheFilePath.ts';
import { codeOf, upstreamFailed } from './failure.ts';
import { ioFailed, LocalFile } from './localFile.ts';
import { CACHE_INFO_FILE, KeptCacheInfo, narinfoFile } from './smallFiles.ts';
import type {
  Upstream,
  UpstreamFile,
  UpstreamFileRequest,
  UpstreamOptions,
  UpstreamRequest,
} from './upstream.ts';

const SLASH = Buffer.from('/');

/** No last-moment symlink is followed, and opening a FIFO does not wait for a writer. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A name that no file system has is a file that is not there. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);

class DirectoryUpstream implements Upstream {
  readonly url: string;
  /** The directory's own path, without symlinks. */
  readonly #root: Buffer;
  readonly #limits: Limits;
  readonly #info: KeptCacheInfo;
  #closed = false;

  constructor(root: Buffer, url: string, options: UpstreamOptions) {
    this.url = url;
    this.#root = root;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#info = new KeptCacheInfo(url, options);
  }

  cacheInfo({ signal }: UpstreamRequest = {}): Promise<CacheInfo> {
    return this.#info.get(signal, () => this.#small(CACHE_INFO_FILE, 'cacheInfoBytes'));
  }

  async narinfo(
    hashPart: string,
    { signal }: UpstreamRequest = {},
  ): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted();
    return this.#small(narinfoFile(hashPart), 'narinfoBytes');
  }

  async file(url: string, request: UpstreamFileRequest = {}): Promise<UpstreamFile | undefined> {
    const { signal, maxBytes } = request;
    signal?.throwIfAborted();
    const segments = cacheFilePath(url);
    const file = await this.#open(segments);
    if (file === undefined) return undefined;
    try {
      signal?.throwIfAborted();
      checkMaxBytes(`${this.url}/${displayPath(segments)}`, file.sizeBytes, maxBytes);
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
    const release = () => file[Symbol.asyncDispose]();
    return { sizeBytes: file.sizeBytes, body: ownedBody(this.#chunks(file, signal), { release }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  async *#chunks(
    file: LocalFile,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    await using owned = file;
    for await (const chunk of owned.chunks(0, owned.sizeBytes)) {
      signal?.throwIfAborted();
      this.#checkOpen();
      yield chunk;
    }
    signal?.throwIfAborted();
  }

  async #small(name: string, limit: keyof Limits): Promise<Uint8Array | undefined> {
    const opened = await this.#open([name]);
    if (opened === undefined) return undefined;
    await using file = opened;
    checkLimit(this.#limits, limit, file.sizeBytes, { url: `${this.url}/${name}` });
    return file.read(0, file.sizeBytes);
  }

  async #open(segments: readonly string[]): Promise<LocalFile | undefined> {
    this.#checkOpen();
    const url = `${this.url}/${displayPath(segments)}`;
    const names = segments.flatMap((segment) => [SLASH, bytesOfKey(segment)]);
    try {
      const path = await realpath(Buffer.concat([this.#root, ...names]), { encoding: 'buffer' });
      if (!this.#contains(path)) {
        throw new NarthexError('UPSTREAM_URL_FORBIDDEN', `${url} is a symlink that leads out`, {
          url,
        });
      }
      return await LocalFile.open(path, OPEN_FLAGS, url);
    } catch (error) {
      if (error instanceof NarthexError) throw error;
      if (!ABSENT.has(codeOf(error) ?? '')) throw ioFailed(url, error);
      await this.#checkRoot();
      return undefined;
    }
  }

  #contains(path: Buffer): boolean {
    const root = this.#root.at(-1) === SLASH[0] ? this.#root : Buffer.concat([this.#root, SLASH]);
    return root.equals(path.subarray(0, root.length));
  }

  /** When the whole directory is gone (a disk pulled out), its files are not absent but unknown. */
  async #checkRoot(): Promise<void> {
    try {
      await realpath(this.#root);
    } catch (error) {
      throw ioFailed(this.url, error);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw upstreamFailed('closed', this.url, 'closed already');
  }
}

/**
 * Opens the binary cache in a directory.
 * @param path a path of the file system, absolute or relative to the working directory
 * @throws NOT_A_BINARY_CACHE there is no such directory
 * @throws UPSTREAM_FAILED (kind `io`) it cannot be read
 */
export async function openDirectoryUpstream(
  path: string,
  options: UpstreamOptions = {},
): Promise<Upstream> {
  const url = pathToFileURL(path).href.replace(/(?<=[^/])\/+$/, '');
  try {
    return new DirectoryUpstream(await realpath(path, { encoding: 'buffer' }), url, options);
  } catch (error) {
    if (!ABSENT.has(codeOf(error) ?? '')) throw ioFailed(url, error);
    throw new NarthexError('NOT_A_BINARY_CACHE', `${path} does not exist`, { url }, error);
  }
}
