/** Where the store is when nobody says. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * The directory of the store: what is given, else `NARTHEX_STORE`, else `narthex/store` in the XDG
 * data directory (https://specifications.freedesktop.org/basedir-spec), which counts only if it is
 * absolute. Variables that are empty are not set.
 */
export function storeDirectory(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const named = given ?? (environment['NARTHEX_STORE'] || undefined);
  if (named !== undefined) return resolve(named);
  const xdg = environment['XDG_DATA_HOME'] ?? '';
  const data = isAbsolute(xdg) ? xdg : join(homedir(), '.local', 'share');
  return join(data, 'narthex', 'store');
}
