/** Finds what lies at a path inside a store path. */
import { displayBytes, equalBytes, utf8 } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { type DirectorySource, fetchDirectory } from './fetchDirectory.ts';
import { displayPlace, type Place } from './place.ts';

const SLASH = 0x2f;
const DOT = utf8('.');

/** The names in a path: empty ones (from slashes at an end, or doubled) and `.` say nothing. */
function* namesOf(path: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  while (start < path.length) {
    const slash = path.indexOf(SLASH, start);
    const end = slash === -1 ? path.length : slash;
    const name = path.subarray(start, end);
    if (name.length > 0 && !equalBytes(name, DOT)) yield name;
    start = end + 1;
  }
}

/**
 * Finds the node at `path` below `root`. Symlinks are not followed, neither on the way nor at the
 * end, and `..` is a name that no directory holds.
 *
 * @param path names joined by `/`, as bytes; the root itself when it holds no name
 * @throws FILE_NOT_FOUND with `path`, and `missing`, the first place that is not there
 * @throws NOT_A_DIRECTORY with `path`, and `at` and `actual`: where something else is, and what
 * @throws DIRECTORY_MISSING a directory of the castore is gone
 */
export async function lookup(
  root: Node,
  path: Uint8Array,
  source: DirectorySource,
  options: ServiceOptions = {},
): Promise<Node> {
  let node = root;
  let place: Place | undefined;
  const shown = displayBytes(path);
  for (const name of namesOf(path)) {
    if (node.type !== 'directory') {
      const at = displayPlace(place);
      throw new NarthexError('NOT_A_DIRECTORY', `${shown}: ${at} is a ${node.type}`, {
        path: shown,
        at,
        actual: node.type,
        target: node.type === 'symlink' ? displayBytes(node.target) : undefined,
      });
    }
    const directory = await fetchDirectory(source, node.digest, place, options);
    place = { name, parent: place };
    const found = directory.get(name);
    if (found === undefined) {
      const missing = displayPlace(place);
      throw new NarthexError('FILE_NOT_FOUND', `${shown}: there is no ${missing}`, {
        path: shown,
        missing,
      });
    }
    node = found;
  }
  return node;
}
