/** Telling a stream that has ended from one that was broken off. */
import { setImmediate } from 'node:timers/promises';

/**
 * To be awaited when all messages of a client have come. Node lets a stream that the client resets
 * end as if it were complete, and only in the next turn closes it, which aborts the call.
 * @throws the signal's reason
 */
export async function untilClosed(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
