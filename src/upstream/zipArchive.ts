/**
 * Random access to the files in a zip file (PKWARE APPNOTE, zip64 too), read in place.
 *
 * The central directory is indexed once. What does not name a file inside of the archive is left
 * out: directories, symlinks, absolute names, names with `..`, backslashes or NULs. Names are bytes,
 * whatever encoding the archive declares. Contents are stored or deflated; sizes and CRC-32 are
 * checked, the CRC after the last byte was given out.
 */
import { constants } from 'node:fs';
import { Readable } from 'node:stream';
import { type Entry, fromReader, Reader } from 'yauzl-promise';
import { NarthexError } from '../errors.ts';
import { checkLimit, type Limits } from '../limits.ts';
import { FILE_CHUNK_BYTES, LocalFile } from './localFile.ts';

/** Longer names are left out: no cache has such, and each costs memory. */
const NAME_MAX_BYTES = 1024;

const METHOD_STORED = 0;
const METHOD_DEFLATED = 8;

const CENTRAL_HEADER_SIGNATURE = Buffer.from('PK\x01\x02', 'latin1');

/** "Version made by": the upper byte says whose file attributes the entry has. */
const MADE_BY_UNIX = 3;
const UNIX_TYPE_MASK = 0o170000;
const UNIX_SYMLINK = 0o120000;

/** How much of the central directory is read at once. */
const INDEX_READ_BYTES = 256 * 1024;

/** Reads a zip file; while it is indexed, ahead of the many small reads that this takes. */
class ZipReader extends Reader {
  readonly #file: LocalFile;
  #ahead: { readonly start: number; readonly bytes: Buffer } | undefined;
  #indexing = true;
  /** Where the last read ended. */
  position = 0;

  constructor(file: LocalFile) {
    super();
    this.#file = file;
  }

  /** From now on reads are far apart. */
  endIndexing(): void {
    this.#indexing = false;
    this.#ahead = undefined;
  }

  override async _read(start: number, length: number): Promise<Buffer> {
    this.position = start + length;
    if (!this.#indexing) return this.#file.read(start, length);
    let ahead = this.#ahead;
    const has = (at: number) =>
      ahead && at >= ahead.start && at <= ahead.start + ahead.bytes.length;
    if (ahead === undefined || !has(start) || !has(start + length)) {
      const fits = Math.min(INDEX_READ_BYTES, this.#file.sizeBytes - start);
      ahead = { start, bytes: await this.#file.read(start, Math.max(fits, length)) };
      this.#ahead = ahead;
    }
    return ahead.bytes.subarray(start - ahead.start, start - ahead.start + length);
  }

  override _createReadStream(start: number, length: number): Readable {
    const chunks = this.#file.chunks(start, start + length);
    return Readable.from(chunks, { objectMode: false, highWaterMark: FILE_CHUNK_BYTES });
  }
}

/** The name of an entry in the form of `bytesKey`, or `undefined` if it is no file in the archive. */
function safeName(entry: Entry, raw: Buffer): string | undefined {
  const isUnix = entry.versionMadeBy >>> 8 === MADE_BY_UNIX;
  const unixType = (entry.externalFileAttributes >>> 16) & UNIX_TYPE_MASK;
  if (isUnix && unixType === UNIX_SYMLINK) return undefined;
  if (raw.length > NAME_MAX_BYTES) return undefined;
  const name = raw.toString('latin1').replace(/^(\.\/)+/, '');
  const isSafe = name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  return isSafe && !/[\\\0]/.test(name) ? name : undefined;
}

/** The files in a zip file, by name. */
export class ZipArchive implements AsyncDisposable {
  readonly #file: LocalFile;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(file: LocalFile, entries: ReadonlyMap<string, Entry>) {
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Opens and indexes a zip file.
   * @param url what errors call it
   * @throws ZIP_INVALID with `url`
   * @throws LIMIT_EXCEEDED for zipEntries
   * @throws UPSTREAM_FAILED (kind `io`) it is not a regular file or cannot be read
   * @throws the file system's own error if it cannot be opened
   */
  static async open(path: string, url: string, limits: Limits): Promise<ZipArchive> {
    const file = await LocalFile.open(path, constants.O_RDONLY | constants.O_NONBLOCK, url);
    try {
      return new ZipArchive(file, await readIndex(file, url, limits));
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw failure(url, error);
    }
  }

  /** The names of all files, in the form of `bytesKey`. */
  names(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Length of a file in bytes; `undefined` if there is no such file. */
  sizeBytes(name: string): number | undefined {
    return this.#entries.get(name)?.uncompressedSize;
  }

  /**
   * The contents of a file that is there.
   * @param url what errors call it
   * @throws ZIP_INVALID | COMPRESSION_UNSUPPORTED | UPSTREAM_FAILED
   */
  async *read(name: string, url: string): AsyncGenerator<Uint8Array, void, undefined> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`${name} was not looked up`);
    const { compressionMethod } = entry;
    if (compressionMethod !== METHOD_STORED && compressionMethod !== METHOD_DEFLATED) {
      const compression = `zip method ${compressionMethod}`;
      throw new NarthexError('COMPRESSION_UNSUPPORTED', `${url} is compressed by ${compression}`, {
        url,
        compression,
      });
    }
    let stream: Readable | undefined;
    try {
      stream = await entry.openReadStream();
      yield* stream;
    } catch (error) {
      throw failure(url, error);
    } finally {
      stream?.destroy();
    }
  }

  /** Reads that are under way fail soon. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

async function readIndex(
  file: LocalFile,
  url: string,
  limits: Limits,
): Promise<ReadonlyMap<string, Entry>> {
  if (file.sizeBytes === 0) throw new Error('the file is empty');
  const reader = new ZipReader(file);
  const zip = await fromReader(reader, file.sizeBytes, {
    decodeStrings: false,
    // archives of macOS contradict themselves above 4 GiB and are told from broken ones by guessing
    supportMacArchive: false,
  });
  checkLimit(limits, 'zipEntries', zip.entryCount, { url });
  const entries = new Map<string, Entry>();
  for await (const entry of zip) {
    const rawName: unknown = entry.filename; // bytes, since strings are not decoded
    if (!Buffer.isBuffer(rawName)) throw new Error('a name is not bytes');
    const name = safeName(entry, rawName);
    // not needed any more, and there may be hundreds of thousands
    Object.assign(entry, { filename: '', comment: '', extraFields: [] });
    if (name === undefined) continue;
    if (entries.has(name)) throw new Error(`two entries are called ${name}`);
    entries.set(name, entry);
  }
  const end = reader.position;
  reader.endIndexing();
  // a count of 16 bits that ran over would make files seem absent
  const next = await file.read(end, CENTRAL_HEADER_SIGNATURE.length);
  if (next.equals(CENTRAL_HEADER_SIGNATURE)) throw new Error('it has more entries than it says');
  return entries;
}

/** What the zip library or zlib throws, as an error of ours. */
function failure(url: string, error: unknown): NarthexError {
  if (error instanceof NarthexError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new NarthexError('ZIP_INVALID', `${url}: ${reason}`, { url }, error);
}
