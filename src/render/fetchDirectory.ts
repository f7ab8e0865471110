/** Directories that must be there because something refers to them. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import type { Directory } from '../castore/directory.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { NarthexError } from '../errors.ts';
import { displayPlace, type Place } from './place.ts';

/** What walks need of a directory service. */
export type DirectorySource = Pick<DirectoryService, 'get'>;

/** @throws DIRECTORY_MISSING with `digest` and `path` */
export async function fetchDirectory(
  source: DirectorySource,
  digest: Digest,
  place: Place | undefined,
  options: ServiceOptions,
): Promise<Directory> {
  const directory = await source.get(digest, options);
  if (directory === undefined) {
    const path = displayPlace(place);
    throw new NarthexError('DIRECTORY_MISSING', `directory ${digest} (${path}) is not there`, {
      digest: String(digest),
      path,
    });
  }
  return directory;
}
