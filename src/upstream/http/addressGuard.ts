/**
 * Which addresses an upstream may lead us to. A public cache must not make us ask our own machine,
 * our network or a cloud's metadata service (169.254.169.254), by a redirect, by a `URL:` at another
 * origin, or by a host name that resolves otherwise the second time.
 *
 * Every address belongs to a class. Public ones are always allowed; others only if the cache's own
 * address is in the same class: a cache at 127.0.0.1 may lead to 127.0.0.1, not to 169.254.169.254.
 * The classes of a host name are those of its addresses when it is first resolved.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { NarthexError } from '../../errors.ts';
import { hostOf, shownUrl } from './baseUrl.ts';

/** Kinds of addresses by who can be reached at them. */
export type AddressClass = 'public' | 'loopback' | 'private' | 'linkLocal' | 'reserved';

type SpecialClass = Exclude<AddressClass, 'public'>;

/** IANA's special-purpose registries, and what is not unicast. */
const IPV4_RANGES: readonly (readonly [SpecialClass, string, number])[] = [
  ['loopback', '127.0.0.0', 8],
  ['private', '10.0.0.0', 8],
  ['private', '172.16.0.0', 12],
  ['private', '192.168.0.0', 16],
  ['private', '100.64.0.0', 10], // carrier-grade NAT
  ['linkLocal', '169.254.0.0', 16],
  ['reserved', '0.0.0.0', 8], // this host
  ['reserved', '192.0.0.0', 24],
  ['reserved', '192.0.2.0', 24],
  ['reserved', '192.88.99.0', 24], // relays of 6to4, deprecated
  ['reserved', '198.18.0.0', 15],
  ['reserved', '198.51.100.0', 24],
  ['reserved', '203.0.113.0', 24],
  ['reserved', '224.0.0.0', 4], // multicast
  ['reserved', '240.0.0.0', 4],
];

const IPV6_RANGES: readonly (readonly [SpecialClass, string, number])[] = [
  ['loopback', '::1', 128],
  ['private', 'fc00::', 7], // unique local
  ['private', 'fec0::', 10], // site-local, deprecated
  ['private', '64:ff9b:1::', 48], // NAT64 of a network of its own
  ['linkLocal', 'fe80::', 10],
  ['reserved', '::', 128],
  ['reserved', '::ffff:0:0:0', 96], // IPv4-translated
  ['reserved', '100::', 64],
  ['reserved', '2001::', 23], // Teredo, ORCHID and other protocols
  ['reserved', '2001:db8::', 32],
  ['reserved', '3fff::', 20], // documentation
  ['reserved', '5f00::', 16], // segment routing
  ['reserved', 'ff00::', 8], // multicast
];

const CLASSES: readonly SpecialClass[] = ['loopback', 'private', 'linkLocal', 'reserved'];

/** An IPv4 address as two groups of an IPv6 one. */
function ipv6Groups(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function blockList(wanted: SpecialClass): BlockList {
  const list = new BlockList();
  for (const [addressClass, ipv4, prefix] of IPV4_RANGES) {
    if (addressClass !== wanted) continue;
    list.addSubnet(ipv4, prefix, 'ipv4'); // finds ::ffff:0:0/96 too
    // IPv6 addresses that lead to IPv4 ones: NAT64, 6to4, IPv4-compatible
    list.addSubnet(`64:ff9b::${ipv6Groups(ipv4)}`, 96 + prefix, 'ipv6');
    list.addSubnet(`2002:${ipv6Groups(ipv4)}::`, 16 + prefix, 'ipv6');
    // the lower end of ::/96 has ::1 in it, which is no IPv4 address
    if (ipv4 !== '0.0.0.0') list.addSubnet(`::${ipv6Groups(ipv4)}`, 96 + prefix, 'ipv6');
  }
  for (const [addressClass, ipv6, prefix] of IPV6_RANGES) {
    if (addressClass === wanted) list.addSubnet(ipv6, prefix, 'ipv6');
  }
  return list;
}

const LISTS: readonly (readonly [SpecialClass, BlockList])[] = CLASSES.map((addressClass) => [
  addressClass,
  blockList(addressClass),
]);

/** The class of an IPv4 or IPv6 address, with or without a zone. */
export function addressClass(address: string): AddressClass {
  const [bare = ''] = address.split('%', 1);
  const family = isIP(bare) === 4 ? 'ipv4' : 'ipv6';
  return LISTS.find(([, list]) => list.check(bare, family))?.[0] ?? 'public';
}

/** Resolves a host name to all of its addresses. */
export type Resolve = (
  hostname: string,
  options: LookupOptions,
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

const systemResolve: Resolve = (hostname, options, callback) =>
  systemLookup(hostname, { ...options, all: true }, callback);

/** Decides for one cache. */
export class AddressGuard {
  readonly #host: string;
  readonly #resolve: Resolve;
  #classes: ReadonlySet<AddressClass> | undefined;

  /**
   * @param host the host of the cache's own address
   * @param resolve in place of the system's resolver
   */
  constructor(host: string, resolve: Resolve = systemResolve) {
    this.#host = host;
    this.#resolve = resolve;
    if (isIP(host) !== 0) this.#classes = new Set([addressClass(host)]);
    else if (/(^|\.)localhost$/.test(host)) this.#classes = new Set(['loopback']);
  }

  /**
   * Passes a URL whose host is a name, to be judged when it is resolved, or an allowed address.
   * @throws UPSTREAM_URL_FORBIDDEN
   */
  check(url: URL): void {
    const host = hostOf(url);
    if (isIP(host) === 0 || this.#allows(host)) return;
    throw this.#forbidden(shownUrl(url), [host]);
  }

  /** For sockets: resolves to the allowed ones of a host's addresses, or fails. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, options, (error, addresses) => {
      if (error) {
        callback(error, []);
        return;
      }
      if (hostname === this.#host) {
        this.#classes ??= new Set(addresses.map(({ address }) => addressClass(address)));
      }
      const allowed = addresses.filter(({ address }) => this.#allows(address));
      const [first] = allowed;
      if (first === undefined) {
        const all = addresses.map(({ address }) => address);
        callback(this.#forbidden(hostname, all), []);
      } else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };

  #allows(address: string): boolean {
    const found = addressClass(address);
    return found === 'public' || this.#classes?.has(found) === true;
  }

  #forbidden(url: string, addresses: readonly string[]): NarthexError {
    const kinds = [...new Set(addresses.map(addressClass))].join(', ');
    return new NarthexError(
      'UPSTREAM_URL_FORBIDDEN',
      `${url} is at ${addresses.join(', ')} (${kinds}), where ${this.#host} may not lead`,
      { url, addresses, upstream: this.#host },
    );
  }
}
