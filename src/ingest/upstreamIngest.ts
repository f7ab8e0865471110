/**
 * What is asked of upstreams: narinfos that hold, and contents. Shared by all who ask for the same
 * at the same time, one narinfo or one NAR at a time, never a closure: nobody who shares waits for
 * another path.
 */
import type { BlobService } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import { parseCompression } from '../compression/compression.ts';
import { NarthexError } from '../errors.ts';
import type { Hash } from '../hash.ts';
import { checkLimit, type Limits } from '../limits.ts';
import { isStorePathOf } from '../narinfo/contentAddress.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { parseNarInfo } from '../narinfo/parse.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import { SingleFlight } from '../singleFlight.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type CastoreOf, InfusedNars, type InfusedNarsOptions } from './infusedNars.ts';
import { NarInfoMemory } from './narInfoMemory.ts';
import { ingestNar } from './narIngest.ts';
import type { NarReader } from './narReading.ts';
import { withRestarts } from './narRestarts.ts';
import { requireCache, UpstreamSet } from './upstreamSet.ts';
import { type FoundNarInfo, nameOfWanted, type WantedPath } from './walkItem.ts';

/** Content that is stored. */
export interface KnownContent {
  readonly node: Node;
  /** Length of its NAR in bytes. */
  readonly narSize: number;
}

/** Finds content that is stored, by a NAR hash that was computed from it. */
export type ContentByNarHash = (
  narHash: Hash,
) => KnownContent | undefined | Promise<KnownContent | undefined>;

/** What a {@link UpstreamIngest} is made of. */
export interface UpstreamIngestOptions {
  /** Opens the upstreams, at the first use; again if that failed. */
  readonly open: () => Promise<readonly Upstream[]>;
  readonly trust: TrustPolicy;
  readonly limits: Limits;
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  /** Reads NARs; on the calling thread by default. */
  readonly narReader?: NarReader | undefined;
  readonly contentByNarHash?: ContentByNarHash | undefined;
  /** Told what a NAR holds, once that is stored. */
  readonly recordContent?: ((narHash: Hash, content: KnownContent) => void) | undefined;
  /** Finds content by the nodes that URLs of NARs name. */
  readonly castoreOf?: CastoreOf | undefined;
  /** Told why a NAR is fetched though its URL names its content. */
  readonly onInfusedFallback?: InfusedNarsOptions['onFallback'];
  /** Whether narinfos that hold are remembered for a while; plans ask for them again and again. */
  readonly rememberNarInfos?: boolean | undefined;
}

/** A narinfo that holds, and the upstream that has it. */
export interface UpstreamNarInfo extends FoundNarInfo {
  readonly upstream: Upstream;
}

/** Told how many bytes of NAR have come since the last call. */
export type OnNarBytes = (narBytes: number) => void;

/** Takes the bytes of a NAR while it is brought in. Neither of its methods may throw. */
export interface NarTap {
  /** The next piece, not to be kept; nobody knows yet whether it is right. */
  write(bytes: Uint8Array): Promise<void>;
  /** All of it was right and is kept, or why not. Called once, last. */
  end(failure?: { readonly error: unknown }): void;
}

/** Opens a tap for an attempt to fetch a NAR. MUST NOT reject: without a tap the NAR is fetched the same. */
export type OpenNarTap = (narInfo: NarInfo) => Promise<NarTap | undefined>;

/** Who watches while content is brought in. */
export interface ContentWatch {
  readonly onNarBytes?: OnNarBytes | undefined;
  /**
   * Heeded where the NAR is fetched for this call: not where it is here, comes by its node, or is being
   * fetched already. Each attempt at another place opens another one.
   */
  readonly openTap?: OpenNarTap | undefined;
}

/** From where ingests have narinfos and contents. */
export interface IngestSource {
  /** A narinfo that holds; `undefined` where there is none. */
  findNarInfo(
    wanted: WantedPath,
    signal: AbortSignal | undefined,
  ): Promise<UpstreamNarInfo | undefined>;
  /** Brings content in. */
  ingestContent(
    found: UpstreamNarInfo,
    signal: AbortSignal | undefined,
    watch?: ContentWatch,
  ): Promise<Node>;
}

/** Reads from upstreams into castore, trusting nothing. */
export class UpstreamIngest implements IngestSource, AsyncDisposable {
  readonly #options: UpstreamIngestOptions;
  readonly #remembered = new NarInfoMemory<UpstreamNarInfo>();
  readonly #narInfos = new SingleFlight<UpstreamNarInfo | undefined>();
  readonly #contents = new SingleFlight<Node, number>();
  /** Upstreams by number: two may have the same URL and differ in what it does not show. */
  readonly #numbers = new Map<Upstream, number>();
  #upstreams: Promise<UpstreamSet> | undefined;

  readonly #infused: InfusedNars | undefined;

  constructor(options: UpstreamIngestOptions) {
    this.#options = options;
    const { castoreOf, blobService, directoryService, limits, onInfusedFallback } = options;
    this.#infused =
      castoreOf &&
      new InfusedNars({
        castoreOf,
        to: { blobService, directoryService },
        limits,
        onFallback: onInfusedFallback,
      });
  }

  /**
   * The first narinfo that an upstream has and that holds.
   * @throws SIGNATURE_MISSING | SIGNATURE_MISMATCH | CONTENT_ADDRESS_MISMATCH | STORE_PATH_MISMATCH
   * @throws NARINFO_INVALID | COMPRESSION_UNSUPPORTED | LIMIT_EXCEEDED and what upstreams throw
   */
  async findNarInfo(
    wanted: WantedPath,
    signal: AbortSignal | undefined,
    except?: ReadonlySet<Upstream>,
  ): Promise<UpstreamNarInfo | undefined> {
    const upstreams = await this.#opened();
    const ask = (upstream: Upstream) => this.#askNarInfo(upstream, wanted, signal);
    return await upstreams.first(ask, { signal, except });
  }

  /** Whether there are other upstreams than these. */
  async hasOthers(than: ReadonlySet<Upstream>): Promise<boolean> {
    return (await this.#opened()).hasOthers(than);
  }

  /**
   * The content: what is here by its NarHash, else from the upstream, else from another that has it.
   * @throws NAR_MISSING | NAR_SIZE_MISMATCH, what {@link ingestNar} throws and what upstreams throw
   */
  async ingestContent(
    found: UpstreamNarInfo,
    signal: AbortSignal | undefined,
    watch: ContentWatch = {},
  ): Promise<Node> {
    const known = await this.#knownContent(found.narInfo);
    if (known !== undefined) return known;
    try {
      return await this.#fetchContent(found.upstream, found.narInfo, signal, watch);
    } catch (error) {
      if (!(error instanceof NarthexError)) throw error;
      // it may have been replaced since
      this.#remembered.delete(this.#narInfoKey(found.upstream, found.narInfo.storePath));
      const node = await this.#fetchElsewhere(found, signal, watch);
      if (node === undefined) throw error;
      return node;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // that they could not be opened was told to whoever asked
    const upstreams = await this.#upstreams?.catch(() => undefined);
    await upstreams?.[Symbol.asyncDispose]();
  }

  async #opened(): Promise<UpstreamSet> {
    this.#upstreams ??= this.#options.open().then((upstreams) => {
      for (const [number, upstream] of upstreams.entries()) this.#numbers.set(upstream, number);
      return new UpstreamSet(upstreams);
    });
    try {
      return await this.#upstreams;
    } catch (error) {
      this.#upstreams = undefined;
      throw error;
    }
  }

  /**
   * The narinfo of one upstream, which is left alone for a while where it cannot be reached.
   * @throws what {@link findNarInfo} throws
   */
  async askNarInfo(
    upstream: Upstream,
    wanted: WantedPath,
    signal: AbortSignal | undefined,
  ): Promise<UpstreamNarInfo | undefined> {
    const upstreams = await this.#opened();
    return await upstreams.one(upstream, () => this.#askNarInfo(upstream, wanted, signal));
  }

  /** One that holds is remembered for a while. */
  async #askNarInfo(
    upstream: Upstream,
    wanted: WantedPath,
    signal: AbortSignal | undefined,
  ): Promise<UpstreamNarInfo | undefined> {
    const { hashPart, name } = wanted;
    const key = this.#narInfoKey(upstream, wanted);
    let found = this.#remembered.get(key);
    if (found === undefined) {
      found = await this.#narInfos.run(key, signal, (shared) =>
        this.#fetchNarInfo(upstream, hashPart, shared),
      );
      if (found !== undefined && this.#options.rememberNarInfos === true) {
        this.#remembered.set(key, found);
      }
    }
    if (found !== undefined && name !== undefined && found.narInfo.storePath.name !== name) {
      throw mismatchingPath(upstream, nameOfWanted(wanted), found.narInfo);
    }
    return found;
  }

  #narInfoKey(upstream: Upstream, { hashPart }: WantedPath): string {
    return `${this.#numbers.get(upstream)} ${hashPart}`;
  }

  async #fetchNarInfo(
    upstream: Upstream,
    hashPart: string,
    signal: AbortSignal,
  ): Promise<UpstreamNarInfo | undefined> {
    const { limits, trust } = this.#options;
    await requireCache(upstream, signal);
    const bytes = await upstream.narinfo(hashPart, { signal });
    if (bytes === undefined) return undefined;
    const url = narInfoUrl(upstream, hashPart);
    const narInfo = parseNarInfo(bytes, { limits, url });
    if (narInfo.storePath.hashPart !== hashPart) throw mismatchingPath(upstream, hashPart, narInfo);
    const verification = trust.verify(narInfo, url);
    requireOwnCa(narInfo, url);
    // refused before anything is downloaded
    parseCompression(narInfo.compression);
    checkLimit(limits, 'narBytes', narInfo.narSize, { storePath: narInfo.storePath.absolute });
    return { narInfo, verification, origin: upstream.url, upstream };
  }

  async #knownContent({ storePath, narHash, narSize, ca }: NarInfo): Promise<Node | undefined> {
    // a content address says more than the NarHash: that is compared with the content itself
    if (ca !== undefined) return undefined;
    const content = await this.#options.contentByNarHash?.(narHash);
    if (content !== undefined && content.narSize !== narSize) {
      throw new NarthexError(
        'NAR_SIZE_MISMATCH',
        `${storePath.absolute}: its NAR has ${content.narSize} bytes, not ${narSize}`,
        { storePath: storePath.absolute, expected: narSize, actual: content.narSize },
      );
    }
    return content?.node;
  }

  async #fetchContent(
    upstream: Upstream,
    narInfo: NarInfo,
    signal: AbortSignal | undefined,
    { onNarBytes, openTap }: ContentWatch,
  ): Promise<Node> {
    const fetch = async (shared: AbortSignal, report: OnNarBytes) => {
      const infused = await this.#infused?.fetch(upstream.url, narInfo, shared);
      if (infused !== undefined) {
        report(narInfo.narSize);
        this.#options.recordContent?.(narInfo.narHash, { node: infused, narSize: narInfo.narSize });
        return infused;
      }
      return await withRestarts(report, async (onProgress) => {
        const tap = await openTap?.(narInfo);
        try {
          const node = await this.#fetchNar(upstream, narInfo, shared, onProgress, tap);
          tap?.end();
          return node;
        } catch (error) {
          tap?.end({ error });
          throw error;
        }
      });
    };
    return await this.#contents.run(this.#contentKey(upstream, narInfo), signal, fetch, onNarBytes);
  }

  async #fetchNar(
    upstream: Upstream,
    narInfo: NarInfo,
    signal: AbortSignal,
    onProgress: OnNarBytes,
    tap: NarTap | undefined,
  ): Promise<Node> {
    const file = await upstream.file(narInfo.url, { signal });
    if (file === undefined) throw narMissing(upstream, narInfo);
    const { blobService, directoryService, limits, narReader, recordContent } = this.#options;
    const node = await ingestNar(narInfo, file.body, {
      blobService,
      directoryService,
      limits,
      signal,
      reader: narReader,
      onProgress,
      tap: tap && ((bytes) => tap.write(bytes)),
    });
    recordContent?.(narInfo.narHash, { node, narSize: narInfo.narSize });
    return node;
  }

  /** Names a flight: whatever is compared with the content, and may be a lie, belongs to it. */
  #contentKey(upstream: Upstream, narInfo: NarInfo): string {
    const { url, compression, fileHash, fileSize, narHash, narSize, ca, storePath } = narInfo;
    const file = [this.#numbers.get(upstream), url, compression, fileHash?.toString(), fileSize];
    const content = [narHash.toString(), narSize];
    const address = ca === undefined ? [] : [ca.toString(), storePath.baseName];
    return JSON.stringify([...file, ...content, ...address]);
  }

  /**
   * The content from where the first upstream says by now that it lies, or from another one that has it
   * too, or `undefined`. Only where the file lies is taken from there: the content is compared with
   * what the first one said.
   */
  async #fetchElsewhere(
    { upstream: first, narInfo }: UpstreamNarInfo,
    signal: AbortSignal | undefined,
    watch: ContentWatch,
  ): Promise<Node | undefined> {
    const upstreams = await this.#opened();
    const ask = async (upstream: Upstream) => {
      const other = (await this.#askNarInfo(upstream, narInfo.storePath, signal))?.narInfo;
      if (other === undefined || !other.narHash.equals(narInfo.narHash)) return undefined;
      const { url, compression, fileHash, fileSize } = other;
      const elsewhere = { ...narInfo, url, compression, fileHash, fileSize };
      if (this.#contentKey(upstream, elsewhere) === this.#contentKey(first, narInfo)) {
        return undefined; // it was tried
      }
      return await this.#fetchContent(upstream, elsewhere, signal, watch);
    };
    try {
      return await upstreams.first(ask, { signal });
    } catch (error) {
      // that the others fail too is of no interest: the first failure is the one to report
      if (error instanceof NarthexError) return undefined;
      throw error;
    }
  }
}

function narInfoUrl(upstream: Upstream, hashPart: string): string {
  return `${upstream.url}/${hashPart}.narinfo`;
}

/** A CA is signed by nobody: one from which another store path follows is a lie, whoever signed the rest. */
function requireOwnCa({ ca, storePath, references }: NarInfo, url: string): void {
  if (ca === undefined || isStorePathOf(ca, storePath, references)) return;
  throw new NarthexError(
    'CONTENT_ADDRESS_MISMATCH',
    `${storePath.absolute} does not follow from its content address ${ca}`,
    { storePath: storePath.absolute, url, ca: ca.toString() },
  );
}

function mismatchingPath(upstream: Upstream, expected: string, { storePath }: NarInfo) {
  return new NarthexError(
    'STORE_PATH_MISMATCH',
    `${upstream.url} answers ${storePath.baseName} when asked for ${expected}`,
    { url: narInfoUrl(upstream, storePath.hashPart), expected, actual: storePath.baseName },
  );
}

function narMissing(upstream: Upstream, { storePath, url }: NarInfo): NarthexError {
  return new NarthexError(
    'NAR_MISSING',
    `${upstream.url} has a narinfo for ${storePath.absolute} but not its NAR`,
    { storePath: storePath.absolute, url, upstream: upstream.url },
  );
}
