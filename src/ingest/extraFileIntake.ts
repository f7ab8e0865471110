/**
 * Extra files on their way into the store, uploaded or fetched: checked as far as they can be, content first,
 * name last.
 *
 * - A log is text that nobody signs. One that is compressed, as Nix keeps logs on disk (`.bz2`), is kept
 *   decompressed, so that whoever asks for it gets what `nix log` shows.
 * - A realisation is what its name says, and signed by a trusted key where signatures are checked. It is kept
 *   byte for byte.
 * - Debug information is kept as what it says of a NAR that is here, with our URL of it.
 */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import { decompress } from '../compression/compression.ts';
import { peekBytes } from '../compression/peekedBytes.ts';
import { NarthexError } from '../errors.ts';
import { memberOfBuildId, parseDebugInfo } from '../extraFiles/debugInfo.ts';
import { type ExtraFileName, extraFilePath } from '../extraFiles/extraFileName.ts';
import type { ExtraFileService } from '../extraFiles/extraFileService.ts';
import {
  parseRealisation,
  type RealisationName,
  requireSignedRealisation,
} from '../extraFiles/realisation.ts';
import type { Hash } from '../hash.ts';
import { checkLimit, type Limits } from '../limits.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import { collect } from '../upstream/body.ts';
import type { DebugInfoIndex } from './debugInfoIndex.ts';
import type { ContentByNarHash } from './upstreamIngest.ts';
import { writeBlob } from './writeBlob.ts';

/** What an {@link ExtraFileIntake} is made of. */
export interface ExtraFileIntakeOptions {
  readonly blobService: BlobService;
  readonly extraFiles: ExtraFileService;
  readonly debugInfo: DebugInfoIndex;
  /** Content by NAR hashes that were computed here. */
  readonly contentByNarHash: ContentByNarHash;
  /** Whose realisations are taken, where signatures are checked. */
  readonly trust: TrustPolicy;
  readonly limits: Limits;
}

/** What {@link ExtraFileIntake.put} takes. */
export interface PutExtraFileOptions extends ServiceOptions {
  /** The NarHash of a file below the top of the cache that the extra file came to, if it is known. */
  readonly narHashOf?: ((narFile: string) => Hash | undefined) | undefined;
}

/** A whole bzip2 header with what follows it: a text that begins with `BZh` is a text. */
const BZIP2 = /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/;

/** Takes extra files. */
export class ExtraFileIntake {
  readonly #options: ExtraFileIntakeOptions;

  constructor(options: ExtraFileIntakeOptions) {
    this.#options = options;
  }

  /**
   * Takes a file, in place of what is kept under its name.
   * @param body read to its end, or left
   * @throws REALISATION_INVALID | SIGNATURE_MISSING | SIGNATURE_MISMATCH
   * @throws DEBUG_INFO_INVALID | NAR_MISSING debug information of a NAR that is not known here
   * @throws LIMIT_EXCEEDED for buildLogBytes, realisationBytes, debugInfoBytes and extraFiles
   * @throws COMPRESSION_INVALID | COMPRESSION_TRUNCATED | COMPRESSION_TRAILING of a compressed log
   */
  async put(
    name: ExtraFileName,
    body: AsyncIterable<Uint8Array>,
    options: PutExtraFileOptions = {},
  ): Promise<void> {
    if (name.kind === 'log') await this.#putLog(name, body, options);
    else if (name.kind === 'debugInfo') await this.#putDebugInfo(name, body, options);
    else await this.#putRealisation(name, body, options);
  }

  async #putLog(
    name: ExtraFileName,
    body: AsyncIterable<Uint8Array>,
    { signal }: ServiceOptions,
  ): Promise<void> {
    const { blobService, extraFiles, limits } = this.#options;
    const { first, all } = await peekBytes(body);
    const isBzip2 = BZIP2.test(Buffer.from(first).toString('latin1'));
    const maxOutputBytes = Number.POSITIVE_INFINITY; // what comes out is bounded below
    const text = isBzip2 ? decompress('bzip2', all, { limits, maxOutputBytes, signal }) : all;
    const file = await writeBlob(blobService, withinLimit(text, limits, extraFilePath(name)), {
      signal,
    });
    await extraFiles.putAll([{ name, file }], { signal });
  }

  async #putRealisation(
    name: RealisationName,
    body: AsyncIterable<Uint8Array>,
    { signal }: ServiceOptions,
  ): Promise<void> {
    const { blobService, extraFiles, limits, trust } = this.#options;
    const bytes = await collect(body, limits, 'realisationBytes', extraFilePath(name));
    const realisation = parseRealisation(bytes, name, { limits });
    if (trust.checkSignatures) requireSignedRealisation(realisation, trust.trustedKeys);
    const file = await writeBlob(blobService, bytes, { signal });
    await extraFiles.putAll([{ name, file }], { signal });
  }

  async #putDebugInfo(
    { kind, buildId }: Extract<ExtraFileName, { kind: 'debugInfo' }>,
    body: AsyncIterable<Uint8Array>,
    { signal, narHashOf }: PutExtraFileOptions,
  ): Promise<void> {
    const { limits, debugInfo } = this.#options;
    const url = extraFilePath({ kind, buildId });
    const bytes = await collect(body, limits, 'debugInfoBytes', url);
    const { narFile, member } = parseDebugInfo(bytes, url, { limits });
    const known = await this.#contentOf(narHashOf?.(narFile));
    if (known !== undefined) {
      await debugInfo.indexMember(buildId, { ...known, member }, { signal });
      return;
    }
    // Nix sends it before its NAR; what Nix means by it is indexed together with the path
    if (member === memberOfBuildId(buildId)) return;
    throw new NarthexError('NAR_MISSING', `${url}: its NAR ${narFile} was not uploaded`, {
      url,
      narFile,
    });
  }

  async #contentOf(narHash: Hash | undefined): Promise<{ node: Node; narHash: Hash } | undefined> {
    const content = narHash && (await this.#options.contentByNarHash(narHash));
    return content && narHash && { node: content.node, narHash };
  }
}

async function* withinLimit(
  text: AsyncIterable<Uint8Array>,
  limits: Limits,
  url: string,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const bytes of text) {
    size += bytes.length;
    checkLimit(limits, 'buildLogBytes', size, { url });
    yield bytes;
  }
}
