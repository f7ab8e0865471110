/** Where a server listens. */
import type { AddressInfo, Server } from 'node:net';
import { NarthexError } from '../errors.ts';

/** An address of this machine, or a socket that listens already. */
export interface ListenPlace {
  /** An address or name of this machine. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** The number of an open TCP socket that is bound and listens, in place of `host` and `port`. */
  readonly fd?: number | undefined;
}

/**
 * Connections that wait to be accepted, if the system allows so many (net.core.somaxconn). Where there is no room
 * a client's first packet is lost, and it tries again after 1, 3, 7, 15, 31 seconds.
 */
const BACKLOG = 4096;

/** Starts to listen. @throws LISTEN_FAILED with `host` and `port`, or `fd` */
export function listenAt(
  server: Server,
  { host = '127.0.0.1', port = 0, fd }: ListenPlace,
): Promise<AddressInfo> {
  const [shown, facts] =
    fd === undefined
      ? [`at ${host}, port ${port}`, { host, port }]
      : [`on file descriptor ${fd}`, { fd }];
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => {
      const message = `cannot listen ${shown}: ${error.message}`;
      reject(new NarthexError('LISTEN_FAILED', message, facts, error));
    };
    server.once('error', refuse);
    server.listen(
      fd === undefined ? { port, host, backlog: BACKLOG } : { fd, backlog: BACKLOG },
      () => {
        server.off('error', refuse);
        const address = server.address();
        // a string or null would be the address of a pipe or of a server that does not listen
        if (address === null || typeof address === 'string') refuse(new Error('no address'));
        else resolve(address);
      },
    );
  });
}

/** `http://host:port`, without a slash at its end. */
export function urlOf({ family, address, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
