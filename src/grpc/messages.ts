/** The messages that a peer streams, at the pace of who reads them, and never waited for without an end. */
import { NarthexError } from '../errors.ts';
import type { GrpcChannel } from './channel.ts';

/** How a stream is read. */
export interface StreamOptions {
  readonly channel: GrpcChannel;
  /** For errors. */
  readonly method: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Begins a call and gives its messages. Leaving early ends the call. What the peer says against it is thrown as it
 * comes.
 * @throws PEER_FAILED the peer was silent for `channel.timeoutMs` while a message was waited for
 */
export async function* messagesOf<T>(
  begin: (call: { readonly signal: AbortSignal }) => AsyncIterable<T>,
  { channel, method, signal: caller }: StreamOptions,
): AsyncGenerator<T, void, undefined> {
  const call = new AbortController();
  let silence: NarthexError | undefined;
  const giveUp = () => {
    silence = silent(channel, method);
    call.abort(silence);
  };
  const signal = caller === undefined ? call.signal : AbortSignal.any([caller, call.signal]);
  const messages = begin({ signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const deadline = setTimeout(giveUp, channel.timeoutMs);
      const next = await messages.next().finally(() => clearTimeout(deadline));
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    throw silence ?? error;
  } finally {
    call.abort();
    await messages.return?.();
  }
}

function silent({ url, timeoutMs }: GrpcChannel, method: string): NarthexError {
  const message = `${url}: nothing more came of ${method} for ${timeoutMs / 1000} s`;
  return new NarthexError('PEER_FAILED', message, { url, method, status: 'DeadlineExceeded' });
}
