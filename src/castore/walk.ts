/** Walks over directories that visit each digest once, since a DAG may render to 2^64 files. */
import { NarthexError } from '../errors.ts';
import type { ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';
import type { Directory } from './directory.ts';
import type { DirectoryService } from './directoryService.ts';

/** The error about a directory that is not there though another refers to it. */
export function missingDirectory(digest: Digest, referrer: Digest): NarthexError {
  return new NarthexError(
    'DIRECTORY_MISSING',
    `directory ${digest} is not there, though ${referrer} refers to it`,
    { digest: String(digest), referrer: String(referrer) },
  );
}

/**
 * A directory and all below it, each once, breadth first: what `getRecursive` is for services that
 * can only `get`.
 *
 * @throws DIRECTORY_MISSING one below the root is gone; an absent root gives nothing
 */
export async function* walkDirectories(
  service: Pick<DirectoryService, 'get'>,
  root: Digest,
  options?: ServiceOptions,
): AsyncGenerator<Directory, void, undefined> {
  const seen = new Set([root.key]);
  let level: { digest: Digest; referrer: Digest | undefined }[] = [
    { digest: root, referrer: undefined },
  ];
  while (level.length > 0) {
    const next: typeof level = [];
    for (const { digest, referrer } of level) {
      options?.signal?.throwIfAborted();
      const directory = await service.get(digest, options);
      if (directory === undefined) {
        if (referrer === undefined) return;
        throw missingDirectory(digest, referrer);
      }
      yield directory;
      for (const { node } of directory.entries) {
        if (node.type !== 'directory' || seen.has(node.digest.key)) continue;
        seen.add(node.digest.key);
        next.push({ digest: node.digest, referrer: digest });
      }
    }
    level = next;
  }
}
