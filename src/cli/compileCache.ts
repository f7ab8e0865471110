/**
 * Compiled code is kept between runs, so that the program need not be compiled whenever it starts. It is kept where only
 * this user writes: whoever could write there could have us run what he likes, so Node's own default, which is
 * below a directory of all users, will not do.
 *
 * Of Node's variables `NODE_COMPILE_CACHE=DIR` chooses another directory, and `NODE_DISABLE_COMPILE_CACHE=1`
 * does without.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Writing is for others. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Begins to keep compiled code in `narthex/compiled` in the XDG cache directory, on worker threads as well.
 * Where that cannot be written, or is not this user's, the program starts without.
 * @param environment gets `NODE_COMPILE_CACHE`, which worker threads begin with
 */
export function keepCompiledCode(environment: NodeJS.ProcessEnv): void {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE } = environment;
  // Node has looked at both already
  if (NODE_COMPILE_CACHE !== undefined || NODE_DISABLE_COMPILE_CACHE !== undefined) return;
  const directory = ownDirectory(environment);
  if (directory === undefined) return;
  enableCompileCache(directory); // says what is wrong, and throws nothing
  environment['NODE_COMPILE_CACHE'] = directory;
}

/** Where compiled code is kept, made if need be; `undefined` if it is not for us alone to write. */
function ownDirectory(environment: NodeJS.ProcessEnv): string | undefined {
  try {
    const xdg = environment['XDG_CACHE_HOME'] ?? '';
    const cache = isAbsolute(xdg) ? xdg : join(homedir(), '.cache');
    const own = join(cache, 'narthex');
    const directory = join(own, 'compiled');
    // step by step: mkdir's `recursive` never ends in some places, such as below /proc
    for (const step of [cache, own, directory]) {
      if (!existsSync(step)) mkdirSync(step, { mode: 0o700 });
    }
    const { uid, mode } = statSync(directory);
    // systems without users have neither
    const isOurs = process.geteuid === undefined || uid === process.geteuid();
    return isOurs && (mode & WRITABLE_BY_OTHERS) === 0 ? directory : undefined;
  } catch {
    return undefined; // starting takes longer, and that is all
  }
}
