/** What a path of an upload stands for. */
import {
  type ExtraFileKind,
  type ExtraFileName,
  parseExtraFileName,
} from '../extraFiles/extraFileName.ts';
import { parseCachePath } from './cachePath.ts';

/** A file that may be uploaded. */
export type UploadTarget =
  | { readonly file: 'nar' }
  | { readonly file: 'narinfo' }
  /** `digest`: of the store path. */
  | { readonly file: 'listing'; readonly digest: Uint8Array }
  | { readonly file: ExtraFileKind; readonly name: ExtraFileName };

/** File names below `nar/`: one level, nothing that could be mistaken for a way out. */
const NAR_FILE = /^nar\/[0-9A-Za-z][0-9A-Za-z._+-]{0,255}$/;

/** What `path`, which begins below the cache, stands for; `undefined` where nothing is taken. */
export function parseUploadTarget(path: string): UploadTarget | undefined {
  if (NAR_FILE.test(path)) return { file: 'nar' };
  const target = parseCachePath(path);
  if (target?.type === 'narinfo') return { file: 'narinfo' };
  if (target?.type === 'listing') return { file: 'listing', digest: target.digest };
  const name = target === undefined ? parseExtraFileName(path) : undefined;
  return name && { file: name.kind, name };
}
