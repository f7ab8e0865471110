/**
 * A file tree as plain data that `expect(…).toEqual(…)` compares: what a restored path, a fixture's
 * expectation (`test/fixtures/cache.json`) and a synthetic path have in common.
 *
 * Names and targets are bytes, spelled as in {@link JsonBytes}. Contents are kept as their hash, so
 * that a difference prints as a short line. Times and owners are left out: Nix has none.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { compareBytes, type JsonBytes, jsonOfBytes } from '../../src/bytes.ts';

/** What lies at one place of a tree. Sizes in bytes, `sha256` in hexadecimal. */
export type FileTree =
  | {
      readonly type: 'regular';
      readonly executable: boolean;
      readonly size: number;
      readonly sha256: string;
    }
  | { readonly type: 'symlink'; readonly target: JsonBytes }
  | {
      readonly type: 'directory';
      /** Sorted by the names' bytes. */
      readonly entries: readonly (readonly [name: JsonBytes, tree: FileTree])[];
    };

const SLASH = Buffer.from('/');

/** Any executable bit: Nix looks at the owner's only, but then a restored path has all or none. */
const ANY_EXECUTE_BIT = 0o111;

async function hashFile(path: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Reads what lies at `path`, symlinks not followed.
 * @throws an `Error` for a socket, device or pipe, which no store path holds
 */
export async function readFileTree(path: string | Uint8Array): Promise<FileTree> {
  const bytes = Buffer.from(path); // names that are not UTF-8 survive only as bytes
  const stats = await lstat(bytes);
  if (stats.isFile()) {
    return {
      type: 'regular',
      executable: (stats.mode & ANY_EXECUTE_BIT) !== 0,
      size: stats.size,
      sha256: await hashFile(bytes),
    };
  }
  if (stats.isSymbolicLink()) {
    const target = await readlink(bytes, { encoding: 'buffer' });
    return { type: 'symlink', target: jsonOfBytes(target) };
  }
  if (!stats.isDirectory()) throw new Error(`neither file, directory nor symlink: ${bytes}`);
  const names = (await readdir(bytes, { encoding: 'buffer' })).sort(compareBytes);
  const entries: [JsonBytes, FileTree][] = [];
  for (const name of names) {
    const tree = await readFileTree(Buffer.concat([bytes, SLASH, name]));
    entries.push([jsonOfBytes(name), tree]);
  }
  return { type: 'directory', entries };
}
