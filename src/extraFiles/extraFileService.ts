/** The contract of services that keep a binary cache's extra files. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import type { ExtraFileKind, ExtraFileName } from './extraFileName.ts';

/** What an extra file holds: a blob, which lies in the blob service beside. */
export interface ExtraFile {
  readonly digest: Digest;
  /** Of the blob, in bytes. */
  readonly size: number;
}

/** An extra file and its name. */
export interface NamedExtraFile {
  readonly name: ExtraFileName;
  readonly file: ExtraFile;
}

/** What {@link ExtraFileService.list} takes. */
export interface ListExtraFilesOptions extends ServiceOptions {
  /** Of this kind only. */
  readonly kind?: ExtraFileKind | undefined;
}

/**
 * Extra files by name: which blob each holds.
 *
 * - A name has one file or none; absence is `undefined`. Two spellings of a name (`extraFilePath`) are one.
 * - What a file means is for others to see to: it was checked before, and its bytes are checked against
 *   the digest whenever the blob is read.
 * - Putting replaces, and putting the same again changes nothing. What was acknowledged stays.
 * - An abort rejects with the signal's reason.
 */
export interface ExtraFileService {
  /** The file of this name. */
  get(name: ExtraFileName, options?: ServiceOptions): Promise<ExtraFile | undefined>;

  /**
   * Keeps files whose blobs were written before: all of them or, when it throws, none. Of two with the
   * same name the last one stays.
   * @throws BLOB_MISSING with `url`: a blob is not there
   * @throws LIMIT_EXCEEDED (limit `extraFiles`) there would be too many
   * @throws READ_ONLY
   */
  putAll(files: readonly NamedExtraFile[], options?: ServiceOptions): Promise<void>;

  /** All files, or those of a kind, ordered by their paths. MAY miss what changes meanwhile. */
  list(options?: ListExtraFilesOptions): AsyncIterable<NamedExtraFile>;
}
