/** Castore services that take no writes, whatever the ones underneath take. */
import { NarthexError } from '../../errors.ts';
import type { BlobService, BlobWriter, ReadBlobOptions, ServiceOptions } from '../blobService.ts';
import type { Digest } from '../digest.ts';
import type { DirectoryPutter, DirectoryService } from '../directoryService.ts';

function readOnly(what: string): NarthexError {
  return new NarthexError('READ_ONLY', `this ${what} service takes no writes`, { service: what });
}

/** Reads only. */
export class ReadOnlyBlobService implements BlobService {
  readonly #inner: BlobService;
  readonly statEncoded?: NonNullable<BlobService['statEncoded']>;
  readonly readEncoded?: NonNullable<BlobService['readEncoded']>;

  constructor(inner: BlobService) {
    this.#inner = inner;
    if (inner.statEncoded && inner.readEncoded) {
      this.statEncoded = inner.statEncoded.bind(inner);
      this.readEncoded = inner.readEncoded.bind(inner);
    }
  }

  has(digest: Digest, options?: ServiceOptions) {
    return this.#inner.has(digest, options);
  }

  stat(digest: Digest, options?: ServiceOptions) {
    return this.#inner.stat(digest, options);
  }

  read(digest: Digest, options?: ReadBlobOptions) {
    return this.#inner.read(digest, options);
  }

  /** @throws READ_ONLY always */
  openWrite(): BlobWriter {
    throw readOnly('blob');
  }
}

/** Reads only. */
export class ReadOnlyDirectoryService implements DirectoryService {
  readonly #inner: DirectoryService;

  constructor(inner: DirectoryService) {
    this.#inner = inner;
  }

  get(digest: Digest, options?: ServiceOptions) {
    return this.#inner.get(digest, options);
  }

  getRecursive(digest: Digest, options?: ServiceOptions) {
    return this.#inner.getRecursive(digest, options);
  }

  /** @throws READ_ONLY always */
  openPut(): DirectoryPutter {
    throw readOnly('directory');
  }
}
