/** One request and its answer, whatever the protocol. */
import type { CacheRequest } from '../cacheRoutes/http.ts';

/** What HTTP/1.1 and HTTP/2 have in common; `http1.ts` and `http2.ts` are where they differ. */
export interface Exchange {
  /** With a body that is received as it is iterated. */
  readonly request: CacheRequest;
  /** Aborts when the client goes away; after a complete answer too, when nothing is left to abort. */
  readonly gone: AbortSignal;
  /**
   * Whether the memory of a piece may be used again also when {@link write} has failed. Where it may not, what
   * was given may still be on its way to the client, though nobody waits for it any more.
   */
  readonly takesLent: boolean;
  /** Whether the head of an answer was sent. */
  readonly hasBegun: boolean;
  /** Whether all of an answer was sent. */
  readonly isComplete: boolean;
  /** Sends the head. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  /**
   * Sends a piece of the body. Resolves when the system has taken it: its memory may be used again (after
   * a failure: {@link takesLent}), and no more than one piece is ever held back for a client.
   * @throws Error more than the announced length: nothing of the piece is sent
   * @throws the reason of `gone`
   */
  write(piece: Uint8Array): Promise<void>;
  /**
   * Completes the answer, with a last piece if there is one.
   * @throws Error it is not of the announced length
   */
  end(piece?: Uint8Array): void;
  /** Breaks it off, so that the client does not take what it has for complete. */
  breakOff(): void;
}

/** Scheme and authority, where a client writes the whole URL, as to a proxy. */
const ORIGIN = /^https?:\/\/[^/?]*/i;

/** The target of a request as `path` and `query`. */
export function parseTarget(target: string): Pick<CacheRequest, 'path' | 'query'> {
  const url = target.replace(ORIGIN, '');
  const question = url.indexOf('?');
  return {
    path: question === -1 ? url : url.slice(0, question),
    query: new URLSearchParams(question === -1 ? '' : url.slice(question + 1)),
  };
}

/** Why an exchange was aborted. */
export function clientGone(): Error {
  return new Error('the client has closed the connection');
}

/** Resolves when `send` calls back; what goes wrong in it shows as the client having gone. */
export function whenSent(gone: AbortSignal, send: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    gone.throwIfAborted();
    const leave = () => reject(gone.reason);
    gone.addEventListener('abort', leave, { once: true });
    send((error) => {
      if (error) return;
      gone.removeEventListener('abort', leave);
      resolve();
    });
  });
}

type Done = (error?: Error | null) => void;
