/** A directory service of a gRPC peer. */
import { type Client, createClient } from '@connectrpc/connect';
import type { ServiceOptions } from '../../castore/blobService.ts';
import type { Digest } from '../../castore/digest.ts';
import type { Directory } from '../../castore/directory.ts';
import type { DirectoryPutter, DirectoryService } from '../../castore/directoryService.ts';
import { missingDirectory } from '../../castore/walk.ts';
import { NarthexError } from '../../errors.ts';
import type { GrpcChannel } from '../channel.ts';
import { digestFrom } from '../fields.ts';
import type { Directory as ProtoDirectory } from '../gen/snix/castore/v1/castore_pb.ts';
import { DirectoryService as DirectoryServiceSchema } from '../gen/snix/castore/v1/rpc_directory_pb.ts';
import { messagesOf } from '../messages.ts';
import { fromConnectError, isNotFound } from '../status.ts';
import { UploadStream } from '../uploadStream.ts';
import { directoryFromProto, directoryToProto } from './entryConversion.ts';

type DirectoryClient = Client<typeof DirectoryServiceSchema>;

/** The directories of a peer that speaks `snix.castore.v1.DirectoryService`. */
export class GrpcDirectoryService implements DirectoryService {
  readonly #channel: GrpcChannel;
  readonly #client: DirectoryClient;

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
    this.#client = createClient(DirectoryServiceSchema, channel.transport);
  }

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    for await (const directory of this.#read(digest, false, options)) return directory;
    return undefined;
  }

  /** Every directory is one that was asked for, directly or by one before it. */
  async *getRecursive(digest: Digest, options?: ServiceOptions): AsyncGenerator<Directory> {
    /** By key: who refers to it, and how large that says it is. */
    const expected = new Map<string, { digest: Digest; referrer: Digest; size: number }>();
    const seen = new Set<string>();
    for await (const directory of this.#read(digest, true, options)) {
      const { key } = directory.digest;
      const reference = expected.get(key);
      if (seen.size > 0 && (seen.has(key) || reference === undefined)) {
        throw unasked(directory.digest);
      }
      if (reference !== undefined && reference.size !== directory.size) {
        throw wrongSize(directory, reference);
      }
      seen.add(key);
      expected.delete(key);
      for (const { node } of directory.entries) {
        if (node.type !== 'directory' || seen.has(node.digest.key)) continue;
        const { size } = node;
        expected.set(node.digest.key, { digest: node.digest, referrer: directory.digest, size });
      }
      yield directory;
    }
    for (const { digest: missing, referrer } of expected.values()) {
      throw missingDirectory(missing, referrer);
    }
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    const isThere = async (digest: Digest) => (await this.get(digest, options)) !== undefined;
    return new GrpcDirectoryPutter(this.#channel, this.#client, isThere, options?.signal);
  }

  async *#read(
    digest: Digest,
    recursive: boolean,
    options: ServiceOptions | undefined,
  ): AsyncGenerator<Directory, void, undefined> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const request = { byWhat: { case: 'digest', value: digest.bytes }, recursive } as const;
    const channel = this.#channel;
    const messages = messagesOf((call) => this.#client.get(request, call), {
      channel,
      method: 'Get',
      signal,
    });
    let first = true;
    try {
      for await (const message of messages) {
        const directory = directoryFromProto(message);
        if (first && !directory.digest.equals(digest)) throw unasked(directory.digest, digest);
        first = false;
        yield directory;
      }
    } catch (error) {
      if (first && isNotFound(error)) return;
      throw fromConnectError(error, { url: channel.url, method: 'Get' }, signal);
    }
  }
}

/** Sends directories, leaves first. */
class GrpcDirectoryPutter implements DirectoryPutter {
  readonly #channel: GrpcChannel;
  readonly #client: DirectoryClient;
  readonly #isThere: (digest: Digest) => Promise<boolean>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = new AbortController();
  readonly #stream = new UploadStream<ProtoDirectory>();
  readonly #known = new Set<string>();
  #last: Digest | undefined;
  #call: Promise<Digest> | undefined;

  constructor(
    channel: GrpcChannel,
    client: DirectoryClient,
    isThere: (digest: Digest) => Promise<boolean>,
    signal: AbortSignal | undefined,
  ) {
    this.#channel = channel;
    this.#client = client;
    this.#isThere = isThere;
    this.#signal = signal;
  }

  async put(directory: Directory): Promise<void> {
    this.#signal?.throwIfAborted();
    for (const { node } of directory.entries) {
      if (node.type !== 'directory' || this.#known.has(node.digest.key)) continue;
      if (!(await this.#isThere(node.digest))) {
        throw missingDirectory(node.digest, directory.digest);
      }
      this.#known.add(node.digest.key);
    }
    this.#begin();
    await this.#stream.write(directoryToProto(directory));
    this.#known.add(directory.digest.key);
    this.#last = directory.digest;
  }

  async close(): Promise<void> {
    this.#signal?.throwIfAborted();
    if (this.#call === undefined || this.#last === undefined) return;
    this.#stream.end();
    const root = await this.#call;
    if (!root.equals(this.#last)) throw unasked(root, this.#last);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#stream.abandon();
    // that it was given up is the outcome
    await this.#call?.catch(() => {});
  }

  #begin(): void {
    if (this.#call !== undefined) return;
    this.#call = this.#put();
    // told by close(), or of no interest
    this.#call.catch(() => this.#stream.leave());
  }

  async #put(): Promise<Digest> {
    const caller = this.#signal;
    const own = this.#abort.signal;
    const signal = caller === undefined ? own : AbortSignal.any([caller, own]);
    try {
      const { rootDigest } = await this.#client.put(this.#stream, { signal });
      return digestFrom(rootDigest, 'root_digest');
    } catch (error) {
      throw fromConnectError(error, { url: this.#channel.url, method: 'Put' }, caller);
    }
  }
}

function unasked(actual: Digest, expected?: Digest): NarthexError {
  return new NarthexError('DIGEST_MISMATCH', `the peer gives directory ${actual}, not asked for`, {
    expected: expected && String(expected),
    actual: String(actual),
  });
}

function wrongSize(
  { digest, size }: Directory,
  reference: { readonly referrer: Digest; readonly size: number },
): NarthexError {
  const { referrer } = reference;
  return new NarthexError(
    'DIRECTORY_INVALID',
    `directory ${referrer} says that ${reference.size} nodes are below ${digest}; there are ${size}`,
    { digest: String(referrer), field: 'size', expected: size, actual: reference.size },
  );
}
