/**
 * What is uploaded, over HTTP or gRPC, on its way into the store: checked as what is fetched from an
 * upstream is.
 *
 * NARs come first, and become content that nothing refers to. A narinfo is then held against what was
 * computed from the content. It names its references by store path: they are what is current here, for
 * it is here that the uploader asked which of them need not be sent; those edges are `unchecked`.
 */
import type { BlobService } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { equalNodes, type Node } from '../castore/node.ts';
import type { Compression } from '../compression/compression.ts';
import { NarthexError } from '../errors.ts';
import { Hash } from '../hash.ts';
import type { Limits } from '../limits.ts';
import { NarParser } from '../nar/parser.ts';
import { isStorePathOf } from '../narinfo/contentAddress.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { Claim, type Verification } from '../pathinfo/claim.ts';
import { PathInfo, type ReferenceContent } from '../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import { UnresolvedPathInfo } from '../pathinfo/unresolvedPathInfo.ts';
import { narSize as narSizeOf } from '../render/layout.ts';
import { measureNar } from '../render/measureNar.ts';
import { renderNar } from '../render/renderNar.ts';
import type { StorePath } from '../storePath.ts';
import { contentAddressHasher } from './contentAddressHash.ts';
import { openContentSink } from './contentSink.ts';
import { outputInto } from './narIngest.ts';
import { INLINE_NAR_READER, type NarReader, rootOf } from './narReading.ts';
import type { ContentByNarHash, KnownContent } from './upstreamIngest.ts';

/** What an {@link UploadIntake} is made of. */
export interface UploadIntakeOptions {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly pathInfoService: PathInfoService;
  /** Content by NAR hashes that were computed here. */
  readonly contentByNarHash: ContentByNarHash;
  readonly recordContent: (narHash: Hash, content: KnownContent) => void;
  /**
   * With signatures checked, an upload needs one by a trusted key, or a CA; without, an uploader's word is
   * enough, and is recorded as such.
   */
  readonly trust: TrustPolicy;
  readonly limits: Limits;
  /** Reads the NARs; on the calling thread by default. */
  readonly reader?: NarReader | undefined;
}

/** A NAR that was taken. */
export interface TakenNar {
  /** SHA-256 of the NAR. */
  readonly narHash: Hash;
  readonly narSize: number;
  /** SHA-256 of the file as it came. */
  readonly fileHash: Hash;
  readonly fileSize: number;
}

/** Takes uploads. */
export class UploadIntake {
  readonly #options: UploadIntakeOptions;

  constructor(options: UploadIntakeOptions) {
    this.#options = options;
  }

  /**
   * Takes a NAR. Nothing refers to its content yet.
   * @throws NAR_INVALID | LIMIT_EXCEEDED and what decoders throw
   */
  async putNar(
    file: AsyncIterable<Uint8Array>,
    compression: Compression,
    signal?: AbortSignal,
  ): Promise<TakenNar> {
    const { limits, blobService, directoryService, recordContent } = this.#options;
    const { reader = INLINE_NAR_READER } = this.#options;
    let fileSize = 0;
    const counted = (async function* () {
      for await (const bytes of file) {
        fileSize += bytes.length;
        yield bytes;
      }
    })();
    const request = {
      compression,
      narSize: undefined,
      fileHash: 'sha256',
      contentAddress: undefined,
      limits,
    } as const;
    await using sink = openContentSink(blobService, directoryService, { signal });
    const reading = await reader.read(request, counted, outputInto(sink), signal);
    await sink.close();
    const { narSize, fileHash } = reading;
    if (fileHash === undefined) throw new TypeError('the hash of the file was asked for');
    const narHash = Hash.of('sha256', reading.narHash);
    recordContent(narHash, { node: rootOf(reading), narSize });
    return { narHash, narSize, fileHash: Hash.of('sha256', fileHash), fileSize };
  }

  /**
   * Takes a narinfo whose NAR was taken before, or is here anyway.
   * @returns what is kept; not current where that would break the current view
   * @throws NAR_MISSING | NAR_SIZE_MISMATCH | CONTENT_ADDRESS_MISMATCH | REFERENCE_MISSING
   * @throws SIGNATURE_MISSING | SIGNATURE_MISMATCH
   */
  async putNarInfo(
    narInfo: NarInfo,
    uploader: string,
    options: PathInfoOptions = {},
  ): Promise<PathInfo> {
    const { storePath, narHash, narSize } = narInfo;
    const content = await this.#options.contentByNarHash(narHash);
    if (content === undefined) {
      throw new NarthexError('NAR_MISSING', `${storePath.absolute}: its NAR was not uploaded`, {
        storePath: storePath.absolute,
        narHash: narHash.toNixbase32(),
      });
    }
    this.#checkSize(storePath, narSize, content.narSize);
    const verification = await this.#verify(narInfo, content.node, uploader, options);
    const claim = new Claim({ ...narInfo, origin: undefined, verification });
    const references = await this.#currentReferences(claim, options);
    const pathInfo = new PathInfo(claim, content.node, references);
    return await this.#options.pathInfoService.put(pathInfo, options);
  }

  /**
   * Takes PathInfos, whose content was put before. Their NARs are rendered and hashed.
   * @throws NAR_HASH_MISMATCH | NAR_SIZE_MISMATCH and what {@link putNarInfo} throws
   */
  async putPathInfos(
    pathInfos: readonly (PathInfo | UnresolvedPathInfo)[],
    uploader: string,
    options: PathInfoOptions = {},
  ): Promise<PathInfo[]> {
    const kept: PathInfo[] = [];
    for (const pathInfo of pathInfos) {
      const accepted = await this.#accepted(pathInfo, uploader, options);
      kept.push(await this.#options.pathInfoService.put(accepted, options));
    }
    return kept;
  }

  async #accepted(
    pathInfo: PathInfo | UnresolvedPathInfo,
    uploader: string,
    options: PathInfoOptions,
  ): Promise<PathInfo> {
    const { claim, node } = pathInfo;
    const { storePath, narHash, narSize } = claim;
    const { signal } = options;
    const known = await this.#options.contentByNarHash(narHash);
    const isKnown = known !== undefined && equalNodes(known.node, node);
    // a few directories may render to terabytes: that is known before anything is rendered
    if (!isKnown) {
      const { directoryService } = this.#options;
      const size = await narSizeOf(node, directoryService, { ...this.#options, signal });
      this.#checkSize(storePath, narSize, size);
    }
    const measured = isKnown
      ? { narHash, narSize: known.narSize }
      : await measureNar(node, { ...this.#options, signal });
    if (!measured.narHash.equals(narHash)) {
      throw new NarthexError(
        'NAR_HASH_MISMATCH',
        `${storePath.absolute}: its content hashes to ${measured.narHash}, not to ${narHash}`,
        {
          storePath: storePath.absolute,
          expected: narHash.toNixbase32(),
          actual: measured.narHash.toNixbase32(),
        },
      );
    }
    this.#checkSize(storePath, narSize, measured.narSize);
    const narInfo = { ...claim, url: '', compression: 'none', ...NO_FILE };
    const verification = await this.#verify(narInfo, node, uploader, options);
    const verified = new Claim({ ...claim, verification });
    if (pathInfo instanceof PathInfo) {
      // what an uploader says about evidence is not evidence
      const references = Array.from(
        pathInfo.references,
        ([name, content]) => [name, { ...content, evidence: 'unchecked' as const }] as const,
      );
      return new PathInfo(verified, node, new Map(references));
    }
    const unresolved = new UnresolvedPathInfo(verified, node);
    const same = await this.#keptLike(unresolved, options);
    return unresolved.resolve(
      same?.references ?? (await this.#currentReferences(verified, options)),
    );
  }

  /** A variant with this content and these names: to be united with, whatever is current below it. */
  async #keptLike(
    { storePath, node, referenceNames }: UnresolvedPathInfo,
    options: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const { pathInfoService } = this.#options;
    for await (const kept of pathInfoService.listVariants(storePath.digest, options)) {
      const names = new Set(kept.references.keys());
      names.delete(kept.storePath.baseName);
      const isSame = kept.storePath.equals(storePath) && equalNodes(kept.node, node);
      if (isSame && names.symmetricDifference(referenceNames).size === 0) return kept;
    }
    return undefined;
  }

  #checkSize(storePath: StorePath, expected: number, actual: number): void {
    if (expected === actual) return;
    throw new NarthexError(
      'NAR_SIZE_MISMATCH',
      `${storePath.absolute}: its NAR has ${actual} bytes, not ${expected}`,
      { storePath: storePath.absolute, expected, actual },
    );
  }

  async #verify(
    narInfo: NarInfo,
    node: Node,
    uploader: string,
    options: PathInfoOptions,
  ): Promise<Verification> {
    const verification = this.#options.trust.verify(narInfo, narInfo.storePath.absolute);
    if (narInfo.ca !== undefined) await this.#checkCa(narInfo, node, options);
    return verification.by === 'nobody' ? { by: 'uploader', uploader } : verification;
  }

  async #checkCa({ ca, storePath, references }: NarInfo, node: Node, options: PathInfoOptions) {
    if (ca === undefined) return;
    const { limits } = this.#options;
    const hasher = contentAddressHasher(ca, storePath, limits);
    const parser = new NarParser(hasher.handler, { limits });
    const { signal } = options;
    for await (const bytes of renderNar(node, { ...this.#options, signal })) {
      hasher.nar(bytes);
      parser.push(bytes);
    }
    parser.end();
    const actual = hasher.finish();
    if (actual.equals(ca.hash) && isStorePathOf(ca, storePath, references)) return;
    throw new NarthexError(
      'CONTENT_ADDRESS_MISMATCH',
      `${storePath.absolute} does not follow from its content and its content address ${ca}`,
      {
        storePath: storePath.absolute,
        expected: ca.hash.toNixbase32(),
        actual: actual.toNixbase32(),
      },
    );
  }

  async #currentReferences(
    { storePath, references }: Claim,
    options: PathInfoOptions,
  ): Promise<Map<string, ReferenceContent>> {
    const contents = new Map<string, ReferenceContent>();
    const missing: string[] = [];
    for (const reference of references) {
      const { baseName } = reference;
      if (baseName === storePath.baseName || contents.has(baseName)) continue;
      const current = await this.#options.pathInfoService.get(reference.digest, options);
      if (current === undefined || !current.storePath.equals(reference)) {
        missing.push(reference.absolute);
        continue;
      }
      const { node, closureDigest } = current;
      contents.set(baseName, { node, closureDigest, evidence: 'unchecked' });
    }
    if (missing.length === 0) return contents;
    throw new NarthexError(
      'REFERENCE_MISSING',
      `${storePath.absolute} refers to what is not here: ${missing.join(' ')}`,
      { storePath: storePath.absolute, missing },
    );
  }
}

/** What a claim does not tell of a file. */
const NO_FILE = { fileHash: undefined, fileSize: undefined, system: undefined };
