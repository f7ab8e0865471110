/** Errors that several keepers of extra files throw. */
import { NarthexError } from '../errors.ts';
import { type ExtraFileName, extraFilePath } from './extraFileName.ts';
import type { ExtraFile } from './extraFileService.ts';

/** The error about a file that is to be kept and whose content is not there. */
export function missingBlob(name: ExtraFileName, { digest }: ExtraFile): NarthexError {
  const url = extraFilePath(name);
  return new NarthexError('BLOB_MISSING', `the content of ${url} is not stored`, {
    url,
    digest: String(digest),
  });
}
