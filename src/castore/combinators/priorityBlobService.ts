/** Several blob services, asked in order. */

import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlobWriter,
  EncodedChunk,
  ReadBlobOptions,
  ServiceOptions,
} from '../blobService.ts';
import type { Digest } from '../digest.ts';
import { type CoolDown, isOutage } from './coolDown.ts';
import { firstAnswer } from './firstAnswer.ts';

/**
 * Reads from the first member that has a blob; writes go to the first member. A read goes on with
 * the next member only as long as no byte was given out. A member that cannot be asked is left alone
 * for a while and comes back by itself.
 */
export class PriorityBlobService implements BlobService {
  readonly #members: readonly [BlobService, ...BlobService[]];
  readonly #coolDown: CoolDown<BlobService>;
  readonly openChunkedWrite?: (options?: ServiceOptions) => ChunkedBlobWriter;
  readonly statEncoded?: NonNullable<BlobService['statEncoded']>;
  readonly readEncoded?: NonNullable<BlobService['readEncoded']>;

  constructor(members: readonly [BlobService, ...BlobService[]], coolDown: CoolDown<BlobService>) {
    this.#members = members;
    this.#coolDown = coolDown;
    const [first] = members;
    if (first.openChunkedWrite !== undefined) {
      this.openChunkedWrite = (options) => {
        const writer = first.openChunkedWrite?.(options);
        if (writer === undefined) throw new TypeError('the first member took chunks before');
        return writer;
      };
    }
    // only where all have it: a blob's absence is that of all members
    if (members.every((member) => member.statEncoded && member.readEncoded)) {
      this.statEncoded = (digest, options) =>
        this.#first((member) => member.statEncoded?.(digest, options), options);
      this.readEncoded = (chunk, options) => this.#readEncoded(chunk, options);
    }
  }

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    const found = await this.#first(
      async (member) => (await member.has(digest, options)) || undefined,
      options,
    );
    return found ?? false;
  }

  async stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    return await this.#first((member) => member.stat(digest, options), options);
  }

  async read(
    digest: Digest,
    options?: ReadBlobOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const found = await this.#first(async (member) => {
      const bytes = await member.read(digest, options);
      return bytes && { member, bytes };
    }, options);
    return found && this.#readOn(digest, found, options);
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    return this.#members[0].openWrite(options);
  }

  async #first<T>(
    ask: (member: BlobService) => Promise<T | undefined> | undefined,
    options: ServiceOptions | undefined,
  ): Promise<T | undefined> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    return await firstAnswer(this.#members, this.#coolDown, async (m) => await ask(m), { signal });
  }

  /** The bytes of one member; of a later one where that fails before the first byte. */
  async *#readOn(
    digest: Digest,
    found: { readonly member: BlobService; readonly bytes: AsyncIterable<Uint8Array> },
    options: ReadBlobOptions | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let begun = false;
    try {
      for await (const piece of found.bytes) {
        begun = true;
        yield piece;
      }
    } catch (error) {
      options?.signal?.throwIfAborted();
      if (begun) throw error;
      if (isOutage(error)) this.#coolDown.failed(found.member, error);
      const others = this.#members.slice(this.#members.indexOf(found.member) + 1);
      const next = await this.#readFrom(others, digest, options, error);
      yield* next;
    }
  }

  async #readFrom(
    members: readonly BlobService[],
    digest: Digest,
    options: ReadBlobOptions | undefined,
    error: unknown,
  ): Promise<AsyncIterable<Uint8Array>> {
    const ask = async (member: BlobService) => {
      const bytes = await member.read(digest, options);
      return bytes && { member, bytes };
    };
    const signal = options?.signal;
    const found = await firstAnswer(members, this.#coolDown, ask, { signal }).catch(() => {
      // the member that has the blob failed first; that is what to tell
      signal?.throwIfAborted();
      throw error;
    });
    if (found === undefined) throw error;
    return this.#readOn(digest, found, options);
  }

  async #readEncoded(chunk: EncodedChunk, options?: ServiceOptions): Promise<Uint8Array> {
    const encoded = await this.#first((member) => member.readEncoded?.(chunk, options), options);
    // every member has it, and it never gives nothing
    if (encoded === undefined) throw new TypeError('a member gave no chunk and no error');
    return encoded;
  }
}
