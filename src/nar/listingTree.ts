/** What a NAR listing says, and how its byte strings stand in JSON. The format: `listing.ts`. */
import { bytesKey } from '../bytes.ts';

/** A directory of a listing. */
export interface ListingDirectory {
  readonly type: 'directory';
  /** Strictly increasing by the names' bytes. */
  readonly entries: readonly ListingEntry[];
}

/** An entry of a directory. */
export interface ListingEntry {
  readonly name: Uint8Array;
  readonly node: NarListing;
}

/** A regular file. */
export interface ListingFile {
  readonly type: 'file';
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** Where the contents begin in the uncompressed NAR, in bytes; some writers leave it out. */
  readonly narOffset: number | undefined;
}

/** A symbolic link. */
export interface ListingSymlink {
  readonly type: 'symlink';
  readonly target: Uint8Array;
}

/** What lies at a store path, or at one place in it. */
export type NarListing = ListingDirectory | ListingFile | ListingSymlink;

/** The escapes that Nix writes with a letter. */
const LETTER_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/**
 * A JSON string with one UTF-16 unit a byte, as `bytesKey` makes them: bytes that are not UTF-8 stay
 * as they are, as Nix writes them.
 */
export function quoteBytes(bytes: Uint8Array): string {
  const escaped = bytesKey(bytes).replace(
    /["\\\u0000-\u001f]/g,
    (c) => LETTER_ESCAPES.get(c) ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}
