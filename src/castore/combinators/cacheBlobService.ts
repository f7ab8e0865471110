/** A blob service in front of one that is farther away. */
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlobWriter,
  ReadBlobOptions,
  ServiceOptions,
} from '../blobService.ts';
import { copyBlob, otherBlob } from '../copyBlob.ts';
import type { Digest } from '../digest.ts';

/** What is near and what is far. */
export interface CacheBlobOptions {
  /** Asked first; takes what comes from far, and all that is written. */
  readonly near: BlobService;
  /** Asked for what is not near; never written to. */
  readonly far: BlobService;
}

/**
 * Reads what is near, else what is far, which is then near as well. A blob is near once it was read to
 * its end; a part of one is read through. What is written goes to near only.
 */
export class CacheBlobService implements BlobService {
  readonly #near: BlobService;
  readonly #far: BlobService;
  readonly openChunkedWrite?: (options?: ServiceOptions) => ChunkedBlobWriter;
  readonly statEncoded?: NonNullable<BlobService['statEncoded']>;
  readonly readEncoded?: NonNullable<BlobService['readEncoded']>;

  constructor({ near, far }: CacheBlobOptions) {
    this.#near = near;
    this.#far = far;
    if (near.openChunkedWrite) this.openChunkedWrite = near.openChunkedWrite.bind(near);
    if (near.statEncoded && near.readEncoded) {
      const statNear = near.statEncoded.bind(near);
      this.statEncoded = async (digest, options) => {
        const stat = await statNear(digest, options);
        if (stat !== undefined) return stat;
        // only what is near lies in a form that can be told
        const copied = await copyBlob(digest, far, near, options);
        return copied ? await statNear(digest, options) : undefined;
      };
      this.readEncoded = near.readEncoded.bind(near);
    }
  }

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    return (await this.#near.has(digest, options)) || (await this.#far.has(digest, options));
  }

  async stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    return (await this.#near.stat(digest, options)) ?? (await this.#far.stat(digest, options));
  }

  async read(
    digest: Digest,
    options: ReadBlobOptions = {},
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const near = await this.#near.read(digest, options);
    if (near !== undefined) return near;
    const far = await this.#far.read(digest, options);
    const whole = (options.offset ?? 0) === 0 && options.length === undefined;
    return far && whole ? this.#keeping(digest, far, options) : far;
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    return this.#near.openWrite(options);
  }

  async *#keeping(
    digest: Digest,
    bytes: AsyncIterable<Uint8Array>,
    { signal }: ServiceOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    await using writer = this.#near.openWrite({ signal });
    for await (const piece of bytes) {
      await writer.write(piece);
      yield piece;
    }
    const written = await writer.close();
    if (!written.digest.equals(digest)) throw otherBlob(digest, written.digest);
  }
}
