/** What is told of uploads. */
import type { ErrorCode } from '../errors.ts';
import type { UploadTarget } from './uploadTarget.ts';

/** What was uploaded; `other` is not taken at all. */
export type UploadedFile = UploadTarget['file'] | 'other';

/** Why an upload was refused: an error's code, or that there were too many at once. */
export type UploadRefusal = ErrorCode | 'BUSY';

/** What becomes of uploads. */
export type UploadEvent =
  /** By somebody who may; it takes the place of one. */
  | { readonly type: 'begun' }
  | { readonly type: 'ended' }
  | {
      readonly type: 'taken';
      readonly file: UploadedFile;
      readonly uploader: string;
      /** The NarHash of a NAR, the store path of a narinfo, the path of all others. */
      readonly name: string;
    }
  | {
      readonly type: 'refused';
      readonly file: UploadedFile;
      /** Absent where it is not known who it is. */
      readonly uploader?: string | undefined;
      readonly code: UploadRefusal;
    };
