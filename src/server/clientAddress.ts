/** Who is at the other end of a connection. */
import { isIPv6, type Socket } from 'node:net';

/** How IPv6 sockets write IPv4 addresses (RFC 4291, 2.5.5.2). */
const MAPPED_IPV4 = /^::ffff:(?=[0-9.]+$)/i;
/** Groups of an IPv6 address, and those of them that a provider gives to one site at least (RFC 6177). */
const GROUPS = 8;
const SITE_GROUPS = 4;

/** The address of the other end; `undefined` once the connection is closed. */
export function clientAddress(socket: Pick<Socket, 'remoteAddress'>): string | undefined {
  return socket.remoteAddress?.replace(MAPPED_IPV4, '');
}

/** Under which the connections of one client are counted: who has one IPv6 address has 2^64. */
export function clientKey(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = tail === undefined ? 0 : GROUPS - before.length - after.length;
  const all = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after];
  return `${all.slice(0, SITE_GROUPS).join(':')}::/64`;
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, ''));
}
