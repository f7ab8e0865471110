/** The body of a request, received no faster than it is iterated. */

/** What {@link receiveBody} takes. */
export interface BodySource {
  /** What comes from the client. Leaving it early must leave the connection as it is. */
  readonly pieces: AsyncIterator<Uint8Array>;
  /** Tells the client to go on, where it waits for that. */
  readonly proceed: () => void;
  /** Whether all has come, asked at the end: a stream may end because the client is gone. */
  readonly isComplete: () => boolean;
  /** Aborts when the client goes away. */
  readonly gone: AbortSignal;
  /** Gives the client up. */
  readonly giveUp: () => void;
  /** So long it is waited for a piece. There is no limit for the whole: an upload may take hours. */
  readonly idleTimeoutMs: number;
}

/**
 * The pieces of a body. Nothing is asked of the client before the first one is asked for.
 * @throws the reason of `gone` when the body is cut off
 */
export async function* receiveBody(
  source: BodySource,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { pieces, gone, giveUp, idleTimeoutMs } = source;
  gone.throwIfAborted();
  source.proceed();
  try {
    for (;;) {
      const next = await withDeadline(pieces.next(), idleTimeoutMs, giveUp);
      if (next.done === true) break;
      yield next.value;
    }
  } catch (error) {
    gone.throwIfAborted();
    throw error;
  } finally {
    await pieces.return?.();
  }
  if (source.isComplete()) return;
  giveUp();
  gone.throwIfAborted();
  throw new Error('the body of the request was cut off');
}

async function withDeadline<T>(promise: Promise<T>, ms: number, onLate: () => void): Promise<T> {
  const deadline = setTimeout(onLate, ms);
  try {
    return await promise;
  } finally {
    clearTimeout(deadline);
  }
}
