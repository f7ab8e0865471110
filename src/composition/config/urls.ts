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
  return `'${excerpt(withoutPassword(text))}' is no ${names} URL`;
}

/** For people to see. */
export function withoutPassword(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//');
}
