/**
 * What is said between the main thread and a worker. Memory is handed on (`transfer`), not copied; who
 * has sent it has it no more.
 *
 *     read     → file… → (used ← content ← tapped ←)… → taken…     → done | failed
 *     encode   →                                                     encoded | failed
 */
import { type ErrorCode, type ErrorFacts, NarthexError } from '../errors.ts';
import type { ContentBatch } from '../ingest/contentBatch.ts';
import type { NarReading, NarRequest } from '../ingest/narReading.ts';

/** Bytes whose memory can be handed on. */
export type OwnedBytes = Uint8Array<ArrayBuffer>;

/** What a thread is begun with. */
export interface WorkerData {
  /** Whether it leaves processors to all others who can use them. */
  readonly inBackground: boolean;
}

/** To a worker. `job` is a number that the main thread chooses. */
export type WorkerRequest =
  /** Read a NAR whose file follows. */
  | {
      readonly type: 'read';
      readonly job: number;
      readonly request: NarRequest;
      readonly isTapped: boolean;
    }
  /** The next bytes of the file, maybe none, and whether others follow. */
  | {
      readonly type: 'file';
      readonly job: number;
      readonly bytes: OwnedBytes;
      readonly then: 'more' | 'end' | 'failure';
    }
  /** So many bytes that the worker sent are out of the way. */
  | { readonly type: 'taken'; readonly job: number; readonly bytes: number }
  /** Nobody wants the NAR any more. It is answered all the same. */
  | { readonly type: 'abort'; readonly job: number }
  /** Compress records, which lie one after the other. */
  | {
      readonly type: 'encode';
      readonly job: number;
      readonly level: number;
      readonly bytes: OwnedBytes;
      readonly lengths: readonly number[];
    };

/** From a worker. */
export type WorkerAnswer =
  /** So many bytes of the file are used up. */
  | { readonly type: 'used'; readonly job: number; readonly bytes: number }
  | {
      readonly type: 'content';
      readonly job: number;
      readonly batch: ContentBatch;
      readonly narBytes: number;
    }
  /** A piece of the NAR. */
  | { readonly type: 'tapped'; readonly job: number; readonly bytes: OwnedBytes }
  | {
      readonly type: 'done';
      readonly job: number;
      readonly reading: SentReading;
      readonly narBytes: number;
    }
  /** It ends with an error, or, without one, with that of the file. */
  | { readonly type: 'failed'; readonly job: number; readonly error: SentError | undefined }
  /** Records at rest, one after the other; a length of -1 stands for one that is kept as it is. */
  | {
      readonly type: 'encoded';
      readonly job: number;
      readonly bytes: OwnedBytes;
      readonly lengths: readonly number[];
    };

/** An error on its way: a class does not survive it. */
export type SentError =
  | {
      readonly code: ErrorCode;
      readonly message: string;
      readonly facts: ErrorFacts;
      readonly cause: SentError | undefined;
    }
  | { readonly foreign: unknown };

/** A reading on its way. */
export type SentReading = Omit<NarReading, 'contentAddress'> & {
  readonly contentAddress: Uint8Array | SentError | undefined;
};

/** An error to be sent. */
export function sentError(error: unknown): SentError {
  if (error instanceof NarthexError) {
    const { code, message, facts, cause } = error;
    return { code, message, facts, cause: cause === undefined ? undefined : sentError(cause) };
  }
  // of other classes message and stack arrive
  return { foreign: error instanceof Error ? error : String(error) };
}

/** The error that was sent. */
export function receivedError(sent: SentError): unknown {
  if ('foreign' in sent) return sent.foreign;
  const cause = sent.cause === undefined ? undefined : receivedError(sent.cause);
  return new NarthexError(sent.code, sent.message, sent.facts, cause);
}

/** A reading to be sent. */
export function sentReading(reading: NarReading): SentReading {
  const { contentAddress } = reading;
  const sent = contentAddress instanceof NarthexError ? sentError(contentAddress) : contentAddress;
  return { ...reading, contentAddress: sent };
}

/** The reading that was sent. */
export function receivedReading(sent: SentReading): NarReading {
  const { contentAddress } = sent;
  if (contentAddress === undefined || contentAddress instanceof Uint8Array) {
    return { ...sent, contentAddress };
  }
  const error = receivedError(contentAddress);
  if (!(error instanceof NarthexError)) throw error;
  return { ...sent, contentAddress: error };
}
