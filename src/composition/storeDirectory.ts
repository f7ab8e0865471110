/** Where the store is when nobody says. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * `narthex/store` in the XDG data directory (https://specifications.freedesktop.org/basedir-spec), which counts
 * only if it is absolute. Variables that are empty are not set.
 */
export function defaultStoreDirectory(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const xdg = environment['XDG_DATA_HOME'] ?? '';
  const data = isAbsolute(xdg) ? xdg : join(homedir(), '.local', 'share');
  return join(data, 'narthex', 'store');
}
