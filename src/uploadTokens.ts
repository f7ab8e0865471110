/** Who may upload: tokens, and the names of those who have them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { NarthexError } from './errors.ts';

/** Shorter tokens can be guessed. */
const MIN_TOKEN_LENGTH = 16;
/** The name of an uploader whose token has none. */
const DEFAULT_UPLOADER = 'uploader';

const LINE = /^(?:(?<name>[A-Za-z0-9._-]+):)?(?<token>[\x21-\x39\x3b-\x7e]+)$/;
const AUTHORIZATION = /^(?<scheme>bearer|basic) +(?<credentials>[^ ]+)$/i;

/** Tokens of uploaders. */
export class UploadTokens {
  /** SHA-256 of each token, so that all comparisons are of the same length. */
  readonly #uploaders: readonly { readonly name: string; readonly hash: Uint8Array }[];

  private constructor(uploaders: readonly { readonly name: string; readonly hash: Uint8Array }[]) {
    this.#uploaders = uploaders;
  }

  /**
   * Reads a token file: a line for each, `name:token` or `token`. Empty lines and those that begin with
   * `#` are comments.
   * @throws KEY_INVALID with the `line`; the token is not told
   */
  static parse(text: string): UploadTokens {
    const uploaders: { name: string; hash: Uint8Array }[] = [];
    const seen = new Set<string>();
    for (const [i, raw] of text.split('\n').entries()) {
      const line = raw.trim();
      if (line === '' || line.startsWith('#')) continue;
      const { name = DEFAULT_UPLOADER, token = '' } = LINE.exec(line)?.groups ?? {};
      if (token.length < MIN_TOKEN_LENGTH) {
        throw invalid(i + 1, `is no token of at least ${MIN_TOKEN_LENGTH} characters`);
      }
      if (seen.has(token)) throw invalid(i + 1, 'has a token that stands there twice');
      seen.add(token);
      uploaders.push({ name, hash: hashOf(token) });
    }
    if (uploaders.length === 0) throw invalid(1, 'and all others hold no token');
    return new UploadTokens(uploaders);
  }

  /**
   * Who sends an `Authorization` header: `Bearer <token>`, or `Basic` with the token as the password, as
   * Nix sends what netrc has. `undefined` for nobody who is known. The time that it takes tells nothing of
   * the tokens.
   */
  uploaderOf(authorization: string | undefined): string | undefined {
    const { scheme = '', credentials = '' } = AUTHORIZATION.exec(authorization ?? '')?.groups ?? {};
    const given = scheme.toLowerCase() === 'basic' ? passwordOf(credentials) : credentials;
    const hash = hashOf(given);
    let found: string | undefined;
    for (const uploader of this.#uploaders) {
      if (timingSafeEqual(uploader.hash, hash)) found = uploader.name;
    }
    return found;
  }
}

function passwordOf(credentials: string): string {
  const text = Buffer.from(credentials, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}

function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

function invalid(line: number, reason: string): NarthexError {
  return new NarthexError('KEY_INVALID', `line ${line} of the token file ${reason}`, { line });
}
