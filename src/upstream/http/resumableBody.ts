/**
 * A body that goes on where it broke off, by `Range` (RFC 9110, 14), if that is sure to give the
 * same bytes: the server said `Accept-Ranges: bytes` and no `Content-Encoding`, and ETag,
 * Last-Modified and length are what they were. With none of these three it does not go on.
 */
import { type ErrorFacts, NarthexError } from '../../errors.ts';
import { upstreamFailed } from '../failure.ts';
import { contentLength, type HttpAnswer, type HttpClient, statusError } from './client.ts';
import type { Pace } from './pace.ts';
import type { RetryBudget } from './retry.ts';
import { isTransient, transportFailure } from './transportFailure.ts';

/** A connection that gave so much before it broke was worth it: the attempts count anew. */
const PROGRESS_BYTES = 1024 * 1024;

const OK = 200;
const PARTIAL_CONTENT = 206;

/** What tells a version of a file from others. */
class Validators {
  readonly #etag: string | undefined;
  readonly #lastModified: string | undefined;
  readonly #sizeBytes: number | undefined;
  readonly #encoding: string | undefined;
  readonly #ranges: boolean;

  constructor(answer: HttpAnswer, sizeBytes: number | undefined) {
    this.#etag = answer.header('etag');
    this.#lastModified = answer.header('last-modified');
    this.#sizeBytes = sizeBytes;
    this.#encoding = answer.header('content-encoding');
    this.#ranges = /(^|[\s,])bytes([\s,]|$)/i.test(answer.header('accept-ranges') ?? '');
  }

  /** Whether the rest can be asked for after `offset` bytes. */
  canResume(offset: number): boolean {
    if (offset === 0) return true; // simply asks again
    const known = this.#etag ?? this.#lastModified ?? this.#sizeBytes;
    return this.#ranges && !isEncoded(this.#encoding) && known !== undefined;
  }

  headersFrom(offset: number): Readonly<Record<string, string>> {
    if (offset === 0) return {};
    // a weak ETag is no condition for a range
    const strong = this.#etag?.startsWith('W/') ? undefined : this.#etag;
    const condition = strong ?? this.#lastModified;
    const range = `bytes=${offset}-`;
    return condition === undefined ? { range } : { range, 'if-range': condition };
  }

  /** Whether `answer` is the rest, from `offset` on, of the same version. */
  continues(answer: HttpAnswer, offset: number): boolean {
    const total = offset === 0 ? contentLength(answer) : totalFrom(answer, offset);
    const isRest = offset === 0 ? answer.status === OK : total !== undefined;
    const lastModified = answer.header('last-modified');
    return (
      isRest &&
      answer.header('content-encoding') === this.#encoding &&
      answer.header('etag') === this.#etag &&
      (lastModified ?? this.#lastModified) === this.#lastModified &&
      (offset === 0 ? total === this.#sizeBytes : total === (this.#sizeBytes ?? total))
    );
  }
}

function isEncoded(encoding: string | undefined): boolean {
  return encoding !== undefined && !/^\s*(identity)?\s*$/i.test(encoding);
}

/** The length of the whole that an answer is the rest of; `undefined` if it is not that rest. */
function totalFrom(answer: HttpAnswer, offset: number): number | undefined {
  if (answer.status !== PARTIAL_CONTENT) return undefined;
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header('content-range') ?? '');
  if (range === null) return undefined;
  const [first, last, total] = range.slice(1).map(Number);
  if (total === undefined || first !== offset || last !== total - 1) return undefined;
  return total;
}

/** What is being read, and how to ask for it again. */
export interface ResumableBodyOptions {
  readonly client: HttpClient;
  readonly url: URL;
  readonly signal: AbortSignal;
  /** That `first` was got with. */
  readonly budget: RetryBudget;
}

/**
 * The bytes of `first`, and of further answers where it breaks off; not decoded. Where that cannot be
 * gone on with, but may well be read from its beginning, the error has the fact `resumable: false`.
 * @throws UPSTREAM_FAILED (`attempts`, `offset`) kind `changed` if the rest is not the same file's
 * @throws UPSTREAM_STATUS the rest is refused
 */
export async function* resumableBody(
  first: HttpAnswer,
  { client, url, signal, ...options }: ResumableBodyOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sizeBytes = contentLength(first);
  const validators = new Validators(first, sizeBytes);
  const { budget } = options;
  const pace = client.pace();
  let answer = first;
  let offset = 0;
  for (;;) {
    const resumedAt = offset;
    let failure: NarthexError | undefined;
    const chunks: AsyncIterator<Uint8Array> = answer.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await nextChunk(pace, chunks, first.url, (error) => {
          signal.throwIfAborted();
          failure = transportFailure(error, first.url, budget.attempts);
        });
        if (next === undefined) break;
        offset += next.length;
        yield next;
      }
    } finally {
      answer.body.destroy();
    }
    if (failure === undefined && (sizeBytes === undefined || offset === sizeBytes)) return;
    failure ??= lengthFailure(first.url, sizeBytes, offset, budget.attempts);
    if (offset > 0) failure = withFacts(failure, { offset });
    if (!isTransient(failure)) throw budget.exhausted(failure);
    if (!validators.canResume(offset)) {
      throw budget.exhausted(withFacts(failure, { resumable: false }));
    }
    if (offset - resumedAt >= PROGRESS_BYTES) budget.renew();
    if (!(await budget.next(signal, failure))) throw budget.exhausted(failure);
    const headers = validators.headersFrom(offset);
    answer = await client.get(url, { signal, headers, budget }, async (got) => got);
    if (validators.continues(answer, offset)) continue;
    answer.body.destroy();
    if (answer.status !== OK && answer.status !== PARTIAL_CONTENT) {
      throw budget.exhausted(statusError(answer, budget.attempts));
    }
    const facts = { attempts: budget.attempts, offset, resumable: false };
    const changed = 'changed while it was read';
    throw budget.exhausted(upstreamFailed('changed', first.url, changed, facts, failure));
  }
}

function withFacts(error: NarthexError, more: ErrorFacts): NarthexError {
  const { code, message, facts, cause } = error;
  return new NarthexError(code, message, { ...facts, ...more }, cause);
}

/** The next chunk; `undefined` at the end, or when `onError` has taken an error. */
async function nextChunk(
  pace: Pace,
  chunks: AsyncIterator<Uint8Array>,
  url: string,
  onError: (error: unknown) => void,
): Promise<Uint8Array | undefined> {
  try {
    return await pace.next(chunks, url);
  } catch (error) {
    onError(error);
    return undefined;
  }
}

function lengthFailure(
  url: string,
  expected: number | undefined,
  actual: number,
  attempts: number,
): NarthexError {
  return upstreamFailed('length', url, `its body has ${actual} bytes, not ${expected}`, {
    expected,
    actual,
    attempts,
  });
}
