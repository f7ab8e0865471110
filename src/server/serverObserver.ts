/** What a server tells of what it does, to whoever logs and counts. */
import type { Socket } from 'node:net';
import { clientAddress } from './clientAddress.ts';
import type { Exchange } from './exchange.ts';
import type { ProtocolName } from './protocolSniffer.ts';

/** Why a connection was closed as it came. */
export type ConnectionRefusal = 'maxConnections' | 'maxConnectionsPerClient';

/** How a request ended. */
export type RequestOutcome =
  | 'complete'
  /** The client was not there any more. */
  | 'clientGone'
  /** Cut off by us. */
  | 'brokenOff';

/** One request and its answer, once both are over. */
export interface RequestRecord {
  readonly protocol: ProtocolName;
  /** gRPC or Connect, whose own status is in the answer. */
  readonly isGrpc: boolean;
  /** The address of the client. */
  readonly client: string | undefined;
  /** From outside, as all of the following: to be shown as an excerpt. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** `undefined` where no answer was begun. */
  readonly status: number | undefined;
  /** Bytes of the body that the system has taken; `undefined` for gRPC. */
  readonly sentBytes: number | undefined;
  /** Milliseconds until the answer began. */
  readonly answeredAfterMs: number | undefined;
  /** Milliseconds until all was over. */
  readonly durationMs: number;
  readonly outcome: RequestOutcome;
}

/** Is told. Nothing of it may throw. */
export interface ServerObserver {
  requestEnded?(record: RequestRecord): void;
  connectionRefused?(reason: ConnectionRefusal): void;
}

/** Where a request came from. */
export interface RequestOrigin {
  readonly protocol: ProtocolName;
  readonly socket: Socket | undefined;
}

/** The same exchange, whose end is told. */
export function observed(
  exchange: Exchange,
  { protocol, socket }: RequestOrigin,
  observer: ServerObserver,
): Exchange {
  const { request, gone } = exchange;
  const client = socket && clientAddress(socket);
  const startedMs = performance.now();
  let status: number | undefined;
  let answeredAfterMs: number | undefined;
  let sentBytes = 0;
  let brokenOff = false;
  const tell = () =>
    observer.requestEnded?.({
      protocol,
      isGrpc: false,
      client,
      method: request.method,
      path: request.path,
      status,
      sentBytes,
      answeredAfterMs,
      durationMs: performance.now() - startedMs,
      outcome: exchange.isComplete ? 'complete' : brokenOff ? 'brokenOff' : 'clientGone',
    });
  if (gone.aborted) tell();
  else gone.addEventListener('abort', tell, { once: true });
  return {
    request,
    gone,
    takesLent: exchange.takesLent,
    get hasBegun() {
      return exchange.hasBegun;
    },
    get isComplete() {
      return exchange.isComplete;
    },
    begin(code, headers) {
      status = code;
      answeredAfterMs = performance.now() - startedMs;
      exchange.begin(code, headers);
    },
    async write(piece) {
      await exchange.write(piece);
      sentBytes += piece.length;
    },
    end(piece) {
      exchange.end(piece);
      sentBytes += piece?.length ?? 0;
    },
    breakOff() {
      brokenOff = true;
      exchange.breakOff();
    },
  };
}
