/**
 * The address of a binary cache on the web, and what follows from it: where its files are, and who
 * gets to see its credentials.
 *
 *     https://user:pass@cache.example/team/a?token=t
 *     ├─ scheme, host ─ origin ─┤├─ folder ─┤├ query ┤
 *
 * `/team/a` and `/team/a/` are the same folder. User, password and query are sent to this origin
 * alone, and appear in no message.
 */
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';
import { netrcEntry } from './netrc.ts';

const PROTOCOLS = new Set(['http:', 'https:']);

/** A URL for messages: without what may be secret, that is user, password, query and fragment. */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname;
}

/** `host` of a URL for resolvers and sockets: an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/**
 * A URL that an upstream gave us, relative to `base`.
 * @throws UPSTREAM_URL_INVALID it is not one
 * @throws UPSTREAM_URL_FORBIDDEN it is not `http:` or `https:`
 */
export function resolveUrl(reference: string, base: URL): URL {
  const url = URL.parse(reference, base);
  const [shownReference = ''] = excerpt(reference).split(/[?#]/, 1);
  const facts = { url: shownReference, upstream: shownUrl(base) };
  if (url === null || reference === '') {
    throw new NarthexError('UPSTREAM_URL_INVALID', `'${shownReference}' is not a URL`, facts);
  }
  if (!PROTOCOLS.has(url.protocol)) {
    throw new NarthexError(
      'UPSTREAM_URL_FORBIDDEN',
      `'${shownReference}' is not an http or https URL`,
      facts,
    );
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a `%` that stands for itself
  }
}

/** `Basic` credentials (RFC 7617, UTF-8) out of the address or else the netrc. */
function basicAuthorization(url: URL, netrc: string | undefined): string | undefined {
  let login = decoded(url.username);
  let password = decoded(url.password);
  if (netrc !== undefined && password === '') {
    const entry = netrcEntry(netrc, hostOf(url), login === '' ? undefined : login);
    if (entry !== undefined) ({ login, password } = entry);
  }
  if (login === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`;
}

/** The parameters of a query, as they are spelled. */
function parametersOf(url: URL): string[] {
  return url.search.slice(1).split('&').filter(Boolean);
}

const nameOf = (parameter: string) => parameter.split('=', 1)[0];

/** The parsed address. */
export class BaseUrl {
  /** Without credentials, query and slash at the end. */
  readonly shown: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Host name or address, without brackets. */
  readonly host: string;
  readonly #folder: URL;
  readonly #parameters: readonly string[];
  readonly #authorization: string | undefined;

  /**
   * @param netrc the text of a netrc file
   * @throws UPSTREAM_URL_INVALID
   */
  constructor(address: string | URL, netrc?: string) {
    const url = URL.parse(address);
    if (url === null || !PROTOCOLS.has(url.protocol)) {
      // it may hold a password all the same
      const shown = excerpt(
        String(address)
          .replace(/\/\/[^/]*@/, '//')
          .replace(/[?#].*$/s, ''),
      );
      throw new NarthexError('UPSTREAM_URL_INVALID', `'${shown}' is not an http or https URL`, {
        url: shown,
      });
    }
    this.#authorization = basicAuthorization(url, netrc);
    this.#parameters = parametersOf(url);
    this.#folder = new URL(`${url.origin}${url.pathname.replace(/\/*$/, '/')}`);
    this.origin = url.origin;
    this.host = hostOf(url);
    this.shown = shownUrl(this.#folder).replace(/\/$/, '');
  }

  /**
   * Where a file of the cache is: the value of a narinfo's `URL:`, or a plain name. Parameters of
   * the address are added at this origin, unless the reference has one of the same name.
   * @throws UPSTREAM_URL_INVALID | UPSTREAM_URL_FORBIDDEN as {@link resolveUrl}
   */
  resolve(reference: string): URL {
    const url = resolveUrl(reference, this.#folder);
    if (url.origin === this.origin && this.#parameters.length > 0) {
      const own = parametersOf(url);
      const names = new Set(own.map(nameOf));
      const added = this.#parameters.filter((parameter) => !names.has(nameOf(parameter)));
      url.search = [...own, ...added].join('&');
    }
    return url;
  }

  /** The `Authorization` that `url` gets to see. */
  authorizationFor(url: URL): string | undefined {
    return url.origin === this.origin ? this.#authorization : undefined;
  }
}
