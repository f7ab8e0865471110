/** A PathInfo service of a gRPC peer. */
import { type Client, createClient } from '@connectrpc/connect';
import { equalBytes } from '../../bytes.ts';
import type { Digest } from '../../castore/digest.ts';
import type { Node } from '../../castore/node.ts';
import { NarthexError } from '../../errors.ts';
import { Hash } from '../../hash.ts';
import { Claim } from '../../pathinfo/claim.ts';
import { PathInfo } from '../../pathinfo/pathInfo.ts';
import type { PathInfoOptions } from '../../pathinfo/pathInfoService.ts';
import type { PreferResult } from '../../pathinfo/preferVariant.ts';
import type { TrustPolicy } from '../../pathinfo/trustPolicy.ts';
import { UnresolvedPathInfo } from '../../pathinfo/unresolvedPathInfo.ts';
import type { VariantService } from '../../pathinfo/variantService.ts';
import type { NarMeasure } from '../../render/measureNar.ts';
import { formatHashPart } from '../../storePath.ts';
import { entryToProto } from '../castore/entryConversion.ts';
import type { GrpcChannel } from '../channel.ts';
import { asField, sizeFrom } from '../fields.ts';
import {
  type VariantInfo,
  VariantService as VariantServiceSchema,
} from '../gen/narthex/store/v1/rpc_variant_pb.ts';
import type { PathInfo as ProtoPathInfo } from '../gen/snix/store/v1/pathinfo_pb.ts';
import { PathInfoService as PathInfoServiceSchema } from '../gen/snix/store/v1/rpc_pathinfo_pb.ts';
import { messagesOf } from '../messages.ts';
import { fromConnectError, isNotFound, isUnimplemented } from '../status.ts';
import { pathInfoFromProto } from './pathInfoConversion.ts';
import { preferResultFromProto } from './preferConversion.ts';
import { resolveFromPeer } from './resolveFromPeer.ts';
import { variantFromProto, variantToProto } from './variantConversion.ts';

/** How one call is made. */
interface CallSettings {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What is believed of a peer. */
export interface GrpcPathInfoOptions {
  /**
   * A policy believes claims that its keys vouch for. `peer` believes what the peer says about how its
   * claims were verified.
   */
  readonly trust: TrustPolicy | 'peer';
}

/**
 * The PathInfos of a peer that speaks `snix.store.v1.PathInfoService`, and better also
 * `narthex.store.v1.VariantService`. A peer without that tells no references by content: they are
 * completed by asking it for each, with edges that nobody checked, and it has one variant of each path.
 */
export class GrpcPathInfoService implements VariantService {
  readonly #channel: GrpcChannel;
  readonly #trust: TrustPolicy | 'peer';
  readonly #paths: Client<typeof PathInfoServiceSchema>;
  readonly #variants: Client<typeof VariantServiceSchema>;
  /** Whether the peer knows variants; `undefined` until it was asked. */
  #hasVariants: boolean | undefined;

  constructor(channel: GrpcChannel, { trust }: GrpcPathInfoOptions) {
    this.#channel = channel;
    this.#trust = trust;
    this.#paths = createClient(PathInfoServiceSchema, channel.transport);
    this.#variants = createClient(VariantServiceSchema, channel.transport);
  }

  /** @throws SIGNATURE_MISSING nobody who is believed vouches for it */
  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    return await this.#either(
      options,
      async (call) => ofPath(digest, this.#told(await this.#variants.getCurrent({ digest }, call))),
      () => this.#getUnresolved(digest, options),
    );
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return (await this.#ask(digest, options)) !== undefined;
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const request = { digest, closureDigest: closureDigest.bytes };
    return await this.#either(
      options,
      async (call) => {
        const told = ofPath(digest, this.#told(await this.#variants.get(request, call)));
        return ofClosure(closureDigest, told);
      },
      async () => {
        const only = await this.#getUnresolved(digest, options);
        return only?.closureDigest.equals(closureDigest) ? only : undefined;
      },
    );
  }

  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    if (await this.#knowsVariants(options)) {
      const told = this.#streamed('List', (call) => this.#variants.list({ digest }, call), options);
      for await (const message of told) yield ofPath(digest, this.#told(message));
      return;
    }
    const only = await this.get(digest, options);
    if (only !== undefined) yield only;
  }

  /** @throws READ_ONLY | UNAUTHENTICATED the peer takes no writes from us, and what it refuses */
  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    const [kept = pathInfo] = await this.putAll([pathInfo], options);
    return kept;
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const messages = (async function* () {
      for (const pathInfo of pathInfos) yield variantToProto(pathInfo);
    })();
    const kept: PathInfo[] = [];
    try {
      // what is put is verified before it is answered, however long that takes
      const told = this.#variants.put(messages, signal === undefined ? {} : { signal });
      for await (const message of told) kept.push(this.#told(message));
    } catch (error) {
      throw this.#failure(error, 'Put', options);
    }
    return kept;
  }

  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    if (await this.#knowsVariants(options)) {
      const told = this.#streamed('List', (call) => this.#variants.listCurrent({}, call), options);
      for await (const message of told) yield this.#told(message);
      return;
    }
    for await (const message of this.#streamed(
      'List',
      (call) => this.#paths.list({}, call),
      options,
    )) {
      yield await this.#resolved(message, options);
    }
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const request = { closureDigest: closureDigest.bytes };
    return await this.#either(
      options,
      async (call) =>
        ofClosure(
          closureDigest,
          this.#told(await this.#variants.getByClosureDigest(request, call)),
        ),
      async () => {
        throw unsupported(this.#channel.url, 'getByClosureDigest');
      },
    );
  }

  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    const request = { digest, closureDigest: closureDigest.bytes };
    options?.signal?.throwIfAborted();
    try {
      const response = await this.#variants.prefer(request, this.#call(options?.signal));
      return preferResultFromProto(response);
    } catch (error) {
      throw this.#failure(error, 'Prefer', options);
    }
  }

  /** Size and hash of a node's NAR, as the peer computes them. */
  async calculateNar(node: Node, options?: PathInfoOptions): Promise<NarMeasure> {
    options?.signal?.throwIfAborted();
    try {
      const entry = entryToProto(new Uint8Array(), node);
      const told = await this.#paths.calculateNAR(entry, this.#call(options?.signal));
      return {
        narSize: sizeFrom(told.narSize, 'nar_size'),
        narHash: asField('nar_sha256', () => Hash.of('sha256', told.narSha256.slice())),
      };
    } catch (error) {
      throw this.#failure(error, 'CalculateNAR', options);
    }
  }

  /** Asks a peer with variants in one way, and one without in the other. */
  async #either(
    options: PathInfoOptions | undefined,
    withVariants: (call: CallSettings) => Promise<PathInfo>,
    without: () => Promise<PathInfo | undefined>,
  ): Promise<PathInfo | undefined> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    if (this.#hasVariants === false) return await without();
    try {
      const found = await withVariants(this.#call(signal));
      this.#hasVariants = true;
      return found;
    } catch (error) {
      if (isNotFound(error)) {
        this.#hasVariants = true;
        return undefined;
      }
      if (!isUnimplemented(error) || this.#hasVariants === true) {
        throw this.#failure(error, 'Get', options);
      }
      this.#hasVariants = false;
      return await without();
    }
  }

  async #knowsVariants(options: PathInfoOptions | undefined): Promise<boolean> {
    // asks for what is nowhere
    const nowhere = { digest: new Uint8Array(20) };
    if (this.#hasVariants === undefined) {
      await this.#either(
        options,
        // whatever it tells: it knows the question
        async (call) => this.#told(await this.#variants.getCurrent(nowhere, call)),
        async () => undefined,
      );
    }
    return this.#hasVariants === true;
  }

  async #getUnresolved(
    digest: Uint8Array,
    options: PathInfoOptions | undefined,
  ): Promise<PathInfo | undefined> {
    const message = await this.#ask(digest, options);
    return message && ofPath(digest, await this.#resolved(message, options));
  }

  async #resolved(message: ProtoPathInfo, options: PathInfoOptions | undefined): Promise<PathInfo> {
    const root = this.#believed(pathInfoFromProto(message, { origin: this.#channel.url }));
    return await resolveFromPeer(root, async (storePath) => {
      const found = await this.#ask(storePath.digest, options);
      return found && this.#believed(pathInfoFromProto(found, { origin: this.#channel.url }));
    });
  }

  async #ask(
    digest: Uint8Array,
    options: PathInfoOptions | undefined,
  ): Promise<ProtoPathInfo | undefined> {
    const signal = options?.signal;
    try {
      const request = { byWhat: { case: 'byOutputHash', value: digest } } as const;
      return await this.#paths.get(request, this.#call(signal));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw this.#failure(error, 'Get', options);
    }
  }

  #told(message: VariantInfo): PathInfo {
    if (this.#trust === 'peer') return variantFromProto(message, undefined);
    return this.#believed(variantFromProto(message, this.#channel.url));
  }

  #believed<Info extends PathInfo | UnresolvedPathInfo>(info: Info): Info;
  #believed(info: PathInfo | UnresolvedPathInfo): PathInfo | UnresolvedPathInfo {
    if (this.#trust === 'peer') return info;
    const { claim } = info;
    // what the peer verified by is its own affair
    const unverified = withVerification(info, { by: 'nobody' });
    const accepted = this.#trust.accept(unverified.claim);
    if (accepted === undefined) {
      const { absolute } = claim.storePath;
      throw new NarthexError(
        'SIGNATURE_MISSING',
        `${absolute} from ${this.#channel.url}: no trusted key has signed it`,
        { storePath: absolute, url: this.#channel.url },
      );
    }
    return withVerification(info, accepted.verification);
  }

  async *#streamed<T>(
    method: string,
    begin: (call: { readonly signal: AbortSignal }) => AsyncIterable<T>,
    options: PathInfoOptions | undefined,
  ): AsyncGenerator<T, void, undefined> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    try {
      yield* messagesOf(begin, { channel: this.#channel, method, signal });
    } catch (error) {
      throw this.#failure(error, method, options);
    }
  }

  #call(signal: AbortSignal | undefined): CallSettings {
    const { timeoutMs } = this.#channel;
    return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
  }

  #failure(error: unknown, method: string, options: PathInfoOptions | undefined): unknown {
    const facts = { url: this.#channel.url, method };
    return isUnimplemented(error)
      ? unsupported(this.#channel.url, method)
      : fromConnectError(error, facts, options?.signal);
  }
}

/** @throws STORE_PATH_MISMATCH the peer tells another path than it was asked for */
function ofPath(digest: Uint8Array, pathInfo: PathInfo): PathInfo {
  const { storePath } = pathInfo;
  if (equalBytes(storePath.digest, digest)) return pathInfo;
  const expected = formatHashPart(digest);
  throw new NarthexError(
    'STORE_PATH_MISMATCH',
    `the peer answers ${storePath.baseName} when asked for ${expected}`,
    { expected, actual: storePath.baseName },
  );
}

/** @throws DIGEST_MISMATCH the peer tells another variant than it was asked for */
function ofClosure(expected: Digest, pathInfo: PathInfo): PathInfo {
  const { closureDigest: actual, storePath } = pathInfo;
  if (actual.equals(expected)) return pathInfo;
  throw new NarthexError(
    'DIGEST_MISMATCH',
    `${storePath.absolute}: asked for closure ${expected}, given ${actual}`,
    { storePath: storePath.absolute, expected: String(expected), actual: String(actual) },
  );
}

function withVerification<Info extends PathInfo | UnresolvedPathInfo>(
  info: Info,
  verification: Claim['verification'],
): Info;
function withVerification(
  info: PathInfo | UnresolvedPathInfo,
  verification: Claim['verification'],
): PathInfo | UnresolvedPathInfo {
  const claim = new Claim({ ...info.claim, verification });
  return info instanceof PathInfo
    ? new PathInfo(claim, info.node, info.references)
    : new UnresolvedPathInfo(claim, info.node);
}

function unsupported(url: string, method: string): NarthexError {
  return new NarthexError('UNSUPPORTED', `${url} has no ${method}`, { url, method });
}
