/** A server of a few files that answers as a test says, and an upstream of it. */

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { utf8 } from '../../../src/bytes.ts';
import { type HttpUpstreamOptions, openHttpUpstream } from '../../../src/upstream/httpUpstream.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import {
  type Answer,
  type ServeOptions,
  type StaticServer,
  serveStatic,
} from '../../support/staticCache.ts';

/** Waits between attempts take no time. */
export const IMPATIENT: HttpUpstreamOptions = { retry: { sleep: () => nextTurn() } };
/** Nothing is tried again. */
export const ONCE: HttpUpstreamOptions = { retry: { attempts: 1 } };

export const HASH_PART = '0c0q04w6qj7hwn0l7p2qp4yp5b1rzxqi';
export const NARINFO = `${HASH_PART}.narinfo`;
/** `nar/large.nar` */
export const LARGE = randomBytes(300_000);
/** What there is, with `contents` in `nar/a.nar`. */
export const FILES: ReadonlyMap<string, Uint8Array> = new Map([
  ['nix-cache-info', utf8('StoreDir: /nix/store\n')],
  [NARINFO, utf8('StorePath: x\n')],
  ['nar/a.nar', utf8('contents')],
  ['nar/large.nar', LARGE],
]);

export interface Served extends AsyncDisposable {
  readonly server: StaticServer;
  readonly upstream: Upstream;
}

/** A server that answers as told, and an upstream of it. */
export async function serve(
  respond: NonNullable<ServeOptions['respond']>,
  options: HttpUpstreamOptions & { readonly serve?: ServeOptions; readonly base?: string } = {},
): Promise<Served> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveStatic(FILES, { respond, ...options.serve }));
  const address = options.base?.replace('HOST', `127.0.0.1:${server.port}`) ?? server.url;
  const upstream = stack.use(openHttpUpstream(address, { ...IMPATIENT, ...options }));
  const owned = stack.move();
  return { server, upstream, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Answers with one after the other, then as usual. */
export function inTurn(...answers: readonly Answer[]): () => Answer | undefined {
  const left = [...answers];
  return () => left.shift();
}

/** What came of a call, in a word. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    return (await call) === undefined ? 'absent' : 'there';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
