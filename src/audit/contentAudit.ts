/**
 * Whether the content that is kept for a path is what its claim says, as one pipeline:
 *
 *     render the NAR → NarHash → content address → hash parts that occur
 *
 * Nothing is believed but bytes: blobs and directories are compared with their digests as they are
 * read, and what is rendered of them with the claim.
 */
import { NarthexError } from '../errors.ts';
import { createStreamingHash, Hash } from '../hash.ts';
import { contentAddressHasher } from '../ingest/contentAddressHash.ts';
import type { Limits } from '../limits.ts';
import { NarParser } from '../nar/parser.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { DirectorySource } from '../render/fetchDirectory.ts';
import { NarLayout } from '../render/layout.ts';
import type { BlobSource } from '../render/readContents.ts';
import { renderLayout } from '../render/renderNar.ts';
import type { StorePath } from '../storePath.ts';
import { HashPartScanner } from './hashPartScan.ts';

/** The store path with a hash part, if it is known. */
export type FindStorePath = (hashPart: string) => Promise<StorePath | undefined>;

/** Where content is, and what bounds the reading. */
export interface ContentAuditOptions {
  readonly blobService: BlobSource;
  readonly directoryService: DirectorySource;
  readonly findStorePath: FindStorePath;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the content of a path says. */
export interface ContentAudit {
  readonly faults: readonly NarthexError[];
  /**
   * By hash part, the known paths whose hash parts occur in the NAR; `undefined` if the NAR could not
   * be read to its end.
   */
  readonly occurring: ReadonlyMap<string, StorePath> | undefined;
}

/** Reads the content and compares it with the claim. @throws only the reason of an abort */
export async function auditContent(
  pathInfo: PathInfo,
  options: ContentAuditOptions,
): Promise<ContentAudit> {
  try {
    return await readContent(pathInfo, options);
  } catch (error) {
    if (!(error instanceof NarthexError)) throw error;
    return { faults: [error], occurring: undefined };
  }
}

async function readContent(
  { claim, node }: PathInfo,
  options: ContentAuditOptions,
): Promise<ContentAudit> {
  const { limits, signal, blobService, directoryService } = options;
  const { storePath, narHash, narSize, ca } = claim;
  const layout = await NarLayout.of(node, directoryService, { limits, signal });
  if (layout.narSizeBytes !== narSize) {
    // what is of another length need not be read to know that its hash is another
    return { faults: [sizeMismatch(storePath, narSize, layout)], occurring: undefined };
  }
  const hasher = createStreamingHash('sha256');
  const caHasher = ca && contentAddressHasher(ca, storePath, limits);
  const parser = caHasher && new NarParser(caHasher.handler, { limits, narSizeBytes: narSize });
  const occurring = new OccurringPaths(options.findStorePath);
  const scanner = new HashPartScanner((hashPart) => occurring.add(hashPart));
  for await (const bytes of renderLayout(layout, blobService, { signal })) {
    hasher.update(bytes);
    caHasher?.nar(bytes);
    parser?.push(bytes);
    scanner.update(bytes);
    await occurring.lookUp();
  }
  parser?.end();
  const faults: NarthexError[] = [];
  const actual = Hash.of('sha256', hasher.digest());
  if (!actual.equals(narHash)) {
    faults.push(hashMismatch(storePath, 'NAR_HASH_MISMATCH', 'the NAR', narHash, actual));
  }
  if (caHasher && ca) {
    const actualCa = caHasher.finish();
    if (!actualCa.equals(ca.hash)) {
      faults.push(
        hashMismatch(storePath, 'CONTENT_ADDRESS_MISMATCH', 'its content', ca.hash, actualCa),
      );
    }
  }
  return { faults, occurring: occurring.found };
}

/** Which of the candidates that a scan finds are hash parts of known paths. */
class OccurringPaths {
  readonly found = new Map<string, StorePath>();
  readonly #find: FindStorePath;
  /** No more than the bytes of one piece can hold; forgotten when they are looked up. */
  readonly #candidates = new Set<string>();

  constructor(find: FindStorePath) {
    this.#find = find;
  }

  add(hashPart: string): void {
    if (!this.found.has(hashPart)) this.#candidates.add(hashPart);
  }

  async lookUp(): Promise<void> {
    for (const hashPart of this.#candidates) {
      const storePath = await this.#find(hashPart);
      if (storePath !== undefined) this.found.set(hashPart, storePath);
    }
    this.#candidates.clear();
  }
}

function sizeMismatch(
  { absolute }: StorePath,
  expected: number,
  { narSizeBytes }: NarLayout,
): NarthexError {
  return new NarthexError(
    'NAR_SIZE_MISMATCH',
    `${absolute}: its NAR has ${narSizeBytes} bytes, not ${expected}`,
    { storePath: absolute, expected, actual: narSizeBytes },
  );
}

function hashMismatch(
  { absolute }: StorePath,
  code: 'NAR_HASH_MISMATCH' | 'CONTENT_ADDRESS_MISMATCH',
  what: string,
  expected: Hash,
  actual: Hash,
): NarthexError {
  return new NarthexError(
    code,
    `${absolute}: ${what} hashes to ${actual.toNixbase32()}, not to ${expected.toNixbase32()}`,
    { storePath: absolute, expected: expected.toNixbase32(), actual: actual.toNixbase32() },
  );
}
