/** Bodies of files: who owns them, and how much of them there may be. */
import { concatBytes } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { checkLimit, type Limits } from '../limits.ts';

/**
 * A body that gives back what it holds whenever it is left. A generator alone does not: `return`
 * before the first `next` skips its `finally`, and during a `next` it waits for that.
 * @param chunks read once
 * @param leaving `interrupt` makes a `next` that is under way fail soon, `release` gives back what
 *   the body holds; both may be called late and more than once
 */
export function ownedBody(
  chunks: AsyncGenerator<Uint8Array, void, undefined>,
  leaving: { readonly interrupt?: () => void; readonly release?: () => Promise<void> },
): AsyncIterable<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => chunks.next(),
    async return() {
      leaving.interrupt?.();
      await chunks.return();
      await leaving.release?.();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

function tooLong(url: string, maxBytes: number, actual: number): NarthexError {
  return new NarthexError('LIMIT_EXCEEDED', `${url} has more than the ${maxBytes} bytes allowed`, {
    url,
    limit: 'maxBytes',
    expected: maxBytes,
    actual,
  });
}

/**
 * Passes a length that is known beforehand.
 * @throws LIMIT_EXCEEDED (limit `maxBytes`)
 */
export function checkMaxBytes(
  url: string,
  sizeBytes: number | undefined,
  maxBytes: number | undefined,
): void {
  if (sizeBytes !== undefined && maxBytes !== undefined && sizeBytes > maxBytes) {
    throw tooLong(url, maxBytes, sizeBytes);
  }
}

/** Passes bytes on; fails before it would give out more than `maxBytes`. */
export async function* capped(
  source: AsyncIterable<Uint8Array>,
  url: string,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    if (total > maxBytes) throw tooLong(url, maxBytes, total);
    yield chunk;
  }
}

/** All of a body that is small, by the limit called `limit`. */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  limits: Limits,
  limit: keyof Limits,
  url: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    checkLimit(limits, limit, total, { url });
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}
