/** At which origins a narinfo's `URL:` may be: at the cache's own, and at those that somebody named. */
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';
import { type BaseUrl, shownUrl } from './baseUrl.ts';

/** Stands for every origin. */
export const ANY_ORIGIN = 'any';

/** Decides for one cache. What it lets pass is still subject to the `AddressGuard`. */
export class NarOrigins {
  readonly #base: BaseUrl;
  readonly #allowed: ReadonlySet<string>;

  /**
   * @param allowed origins, such as `https://nars.example:8443`, or {@link ANY_ORIGIN}
   * @throws UPSTREAM_URL_INVALID one of them is not
   */
  constructor(base: BaseUrl, allowed: readonly string[] = []) {
    this.#base = base;
    this.#allowed = new Set([base.origin, ...allowed.map(parseOrigin)]);
  }

  /** @throws UPSTREAM_URL_FORBIDDEN */
  check(url: URL): void {
    if (this.#allowed.has(url.origin) || this.#allowed.has(ANY_ORIGIN)) return;
    const { shown, origin } = this.#base;
    throw new NarthexError(
      'UPSTREAM_URL_FORBIDDEN',
      `${shownUrl(url)} is at another origin than ${shown}`,
      { url: shownUrl(url), expected: origin, actual: url.origin },
    );
  }
}

/** Whether {@link parseOrigin} takes it. */
export function isOrigin(text: string): boolean {
  if (text === ANY_ORIGIN) return true;
  const url = URL.parse(text);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  return url !== null && isWeb && url.href === `${url.origin}/`;
}

/**
 * Reads an origin: scheme, host and port, and nothing after them but a slash.
 * @throws UPSTREAM_URL_INVALID
 */
export function parseOrigin(text: string): string {
  if (isOrigin(text)) return text === ANY_ORIGIN ? text : new URL(text).origin;
  const shown = excerpt(text.replace(/\/\/[^/]*@/, '//'));
  throw new NarthexError(
    'UPSTREAM_URL_INVALID',
    `'${shown}' is not an origin such as https://nars.example, nor '${ANY_ORIGIN}'`,
    { url: shown },
  );
}
