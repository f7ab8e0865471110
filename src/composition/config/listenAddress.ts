/** Where a server listens. */

/** A host and a port. */
export interface ListenAddress {
  readonly host: string;
  /** 0 for one that is free. */
  readonly port: number;
}

const ADDRESS = /^(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]]*)):(?<port>[0-9]{1,5})$/;
const MAX_PORT = 65_535;

/** How addresses are written. */
export const LISTEN_FORM = 'HOST:PORT';

/** An address as it is written. */
export function shownListenAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, the last for all addresses; `undefined` where it is none. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const groups = ADDRESS.exec(text)?.groups;
  const port = Number(groups?.['port']);
  if (groups === undefined || port > MAX_PORT) return undefined;
  return { host: groups['ipv6'] ?? (groups['host'] || '::'), port };
}
