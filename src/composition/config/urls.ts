/** Whether a text is a URL that a service can be at. */
import { excerpt } from '../../excerpt.ts';

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;

/** Whether a text begins as URLs do; a path does not. */
export function hasScheme(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * Why a text is no URL of one of these protocols; `undefined` where it is one.
 * @param protocols with their colons
 */
export function urlFault(text: string, protocols: readonly string[]): string | undefined {
  const url = URL.parse(text);
  if (url !== null && protocols.includes(url.protocol)) return undefined;
  const names = protocols.map((protocol) => protocol.slice(0, -1)).join(' or ');
  return `'${excerpt(withoutSecrets(text))}' is no ${names} URL`;
}

/**
 * An address for people to see: without user, password and query, any of which may let somebody in. A path is
 * as it is.
 */
export function withoutSecrets(address: string): string {
  if (!hasScheme(address)) return address;
  // of what is no URL nobody knows where its password ends
  const user = URL.canParse(address) ? /\/\/[^/?#]*@/ : /\/\/.*@/s;
  return address.replace(user, '//').replace(/[?#].*$/s, '?…');
}
