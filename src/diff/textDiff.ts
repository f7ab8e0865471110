/** Unified diffs of small text files. */
import { formatPatch, OMIT_HEADERS, structuredPatch } from 'diff';
import { concatBytes, decodeUtf8, EMPTY } from '../bytes.ts';
import type { FileNode } from '../castore/node.ts';
import { checkEmptyFile } from '../render/blobErrors.ts';
import { type BlobSource, readContents } from '../render/readContents.ts';
import type { Sides } from './sides.ts';

/** Files longer than this are not read. Larger ones are seldom written by people. */
export const TEXT_DIFF_MAX_BYTES = 256 * 1024;

/**
 * Lines that may be added and removed together. Time grows with the square of it: up to here a diff
 * takes below half a second, whatever the files hold.
 */
export const TEXT_DIFF_MAX_LINES = 2_000;

/** Unchanged lines around a change, as `diff -u` and git have them. */
const CONTEXT_LINES = 3;

/** The difference between two texts, or why it is not told. */
export type TextDiff =
  /** Hunks of a unified diff, without the lines that name the files. */
  | { readonly type: 'hunks'; readonly hunks: string }
  /** A file holds NUL, or is not UTF-8. */
  | { readonly type: 'binary' }
  /** A file is longer than {@link TEXT_DIFF_MAX_BYTES}. */
  | { readonly type: 'large' }
  /** More than {@link TEXT_DIFF_MAX_LINES} differ. */
  | { readonly type: 'different' };

/** What {@link diffTexts} needs. */
export interface TextDiffOptions {
  /** Where the contents of each side are; often the same service twice. */
  readonly blobs: Sides<BlobSource>;
  /** Where the files are, for errors: names joined by `/`. */
  readonly path?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What differs between the contents of two files, line by line.
 *
 * @throws BLOB_MISSING with `path`
 * @throws NODE_INVALID with `path`: contents have another size than their node says
 */
export async function diffTexts(
  a: FileNode,
  b: FileNode,
  options: TextDiffOptions,
): Promise<TextDiff> {
  if (Math.max(a.size, b.size) > TEXT_DIFF_MAX_BYTES) return { type: 'large' };
  const before = await readText(options.blobs.a, a, options);
  const after = before === undefined ? undefined : await readText(options.blobs.b, b, options);
  if (before === undefined || after === undefined) return { type: 'binary' };
  const patch = structuredPatch('', '', before, after, undefined, undefined, {
    context: CONTEXT_LINES,
    maxEditLength: TEXT_DIFF_MAX_LINES,
  });
  if (patch === undefined) return { type: 'different' };
  // of a patch without hunks the package makes a line break
  const hunks = patch.hunks.length === 0 ? '' : formatPatch(patch, OMIT_HEADERS);
  return { type: 'hunks', hunks };
}

/** The text of a file; `undefined` for what is no text. */
async function readText(
  source: BlobSource,
  node: FileNode,
  { path = EMPTY, signal }: TextDiffOptions,
): Promise<string | undefined> {
  const place = path.length === 0 ? undefined : { name: path, parent: undefined };
  checkEmptyFile(node, place);
  if (node.size === 0) return '';
  const range = { node, place, offset: 0, length: node.size };
  const bytes = concatBytes(await Array.fromAsync(readContents(source, range, { signal })));
  return bytes.includes(0) ? undefined : decodeUtf8(bytes);
}
