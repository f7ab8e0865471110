/**
 * `.netrc`, the file of passwords that curl and Nix (`netrc-file`) read:
 *
 *     machine <host> login <name> password <secret>
 *     default login <name> password <secret>
 *
 * Tokens are separated by white space of any kind; one in double quotes may contain some, and `\`
 * takes the next character as it is. A token that begins with `#` starts a comment up to the end of
 * its line. `account` is read over, `macdef` up to the next empty line. The first entry of a host
 * counts, and `default` for hosts that have none.
 */

/** One entry. */
export interface NetrcEntry {
  readonly login: string;
  readonly password: string;
}

interface MutableEntry {
  /** `undefined` for `default`. */
  readonly host: string | undefined;
  login: string;
  password: string;
}

const TOKEN = /"(?:\\.|[^"\\])*"|#[^\n]*|\S+/gs;
const MACRO = /\bmacdef\b.*?(?:\n[ \t\r]*\n|$)/gs;

function* tokens(text: string): Generator<string, void, undefined> {
  for (const [token] of text.replace(MACRO, '\n').matchAll(TOKEN)) {
    if (token.startsWith('#')) continue;
    const quoted = token.length > 1 && token.startsWith('"');
    yield quoted ? token.slice(1, -1).replace(/\\(.)/gs, '$1') : token;
  }
}

function parse(text: string): readonly MutableEntry[] {
  const entries: MutableEntry[] = [];
  const input = tokens(text);
  const value = (): string => input.next().value ?? '';
  for (const token of { [Symbol.iterator]: () => ({ next: () => input.next() }) }) {
    if (token === 'machine' || token === 'default') {
      const host = token === 'machine' ? value().toLowerCase() : undefined;
      entries.push({ host, login: '', password: '' });
      continue;
    }
    const entry = entries.at(-1);
    if (token === 'login' && entry) entry.login = value();
    else if (token === 'password' && entry) entry.password = value();
    else if (token === 'account') value();
  }
  return entries;
}

/**
 * The entry for a host. Text that is not understood is read over, as curl does.
 * @param login only an entry with this login counts, if it is given
 */
export function netrcEntry(text: string, host: string, login?: string): NetrcEntry | undefined {
  const entries = parse(text).filter((entry) => login === undefined || entry.login === login);
  const wanted = host.toLowerCase();
  return (
    entries.find((entry) => entry.host === wanted) ??
    entries.find((entry) => entry.host === undefined)
  );
}
