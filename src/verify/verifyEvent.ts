/** What is told while a store is verified and repaired. */
import type { NarthexError } from '../errors.ts';
import type { DamageSubject } from './damage.ts';

/** What is being done. */
export type VerifyPhase =
  /** The records that the index has, in packs. */
  | 'records'
  /** Blobs of more than one chunk. */
  | 'blobs'
  /** Store paths: what they hold, refer to and claim. */
  | 'paths'
  /** Rows of the index that say something about others. */
  | 'relations'
  /** Content that is brought in again. */
  | 'repair';

/** One event. */
export type VerifyEvent =
  | {
      readonly type: 'progress';
      readonly phase: VerifyPhase;
      /** Things that are done with, and how many there were at the beginning. */
      readonly done: number;
      readonly total: number;
    }
  /** Something is damaged; which paths are affected is known at the end. */
  | { readonly type: 'damage'; readonly subject: DamageSubject; readonly error: NarthexError }
  /** A path's content is asked for again. */
  | { readonly type: 'fetching'; readonly storePath: string; readonly narSize: number }
  /** It could not be brought in again. */
  | { readonly type: 'failed'; readonly storePath: string; readonly error: NarthexError };

/** Told of events. MUST NOT throw. */
export type OnVerifyEvent = (event: VerifyEvent) => void;
