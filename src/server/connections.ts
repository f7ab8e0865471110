/** The connections of a server: how many there may be, and what went over them. */
import type { Socket } from 'node:net';
import { clientAddress, clientKey } from './clientAddress.ts';
import type { ServerLimits } from './serverLimits.ts';
import type { ConnectionRefusal, ServerObserver } from './serverObserver.ts';

/** How the connections of a server stand. */
export interface ConnectionsFigures {
  readonly connections: number;
  readonly maxConnections: number;
  /** All that was received and sent since the server runs, headers and framing included. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Counts connections, and refuses those that are too many. */
export class Connections {
  readonly #limits: Pick<ServerLimits, 'maxConnections' | 'maxConnectionsPerClient'>;
  readonly #observer: ServerObserver;
  readonly #open = new Set<Socket>();
  readonly #byClient = new Map<string, number>();
  /** Of connections that are closed. */
  #receivedBytes = 0;
  #sentBytes = 0;

  constructor(
    limits: Pick<ServerLimits, 'maxConnections' | 'maxConnectionsPerClient'>,
    observer: ServerObserver,
  ) {
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Whether a new connection is taken; it is closed if it is not. */
  admit(socket: Socket): boolean {
    const address = clientAddress(socket);
    const client = address && clientKey(address);
    const reason = this.#refusal(client);
    if (reason !== undefined) {
      socket.destroy();
      this.#observer.connectionRefused?.(reason);
      return false;
    }
    this.#open.add(socket);
    this.#count(client, 1);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#count(client, -1);
      this.#receivedBytes += socket.bytesRead;
      this.#sentBytes += socket.bytesWritten;
    });
    return true;
  }

  figures(): ConnectionsFigures {
    let receivedBytes = this.#receivedBytes;
    let sentBytes = this.#sentBytes;
    for (const socket of this.#open) {
      receivedBytes += socket.bytesRead;
      sentBytes += socket.bytesWritten;
    }
    const { maxConnections } = this.#limits;
    return { connections: this.#open.size, maxConnections, receivedBytes, sentBytes };
  }

  /** Closes all of them. */
  breakOff(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #refusal(client: string | undefined): ConnectionRefusal | undefined {
    const { maxConnections, maxConnectionsPerClient } = this.#limits;
    if (this.#open.size >= maxConnections) return 'maxConnections';
    const ofClient = client === undefined ? 0 : (this.#byClient.get(client) ?? 0);
    return ofClient >= maxConnectionsPerClient ? 'maxConnectionsPerClient' : undefined;
  }

  #count(client: string | undefined, change: 1 | -1): void {
    if (client === undefined) return;
    const count = (this.#byClient.get(client) ?? 0) + change;
    if (count === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, count);
  }
}
