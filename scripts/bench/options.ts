/** The command line of `npm run bench`. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError } from './benchError.ts';
import { MEDIA, type Medium } from './places.ts';

/** How thorough a run is. */
export type Scale = 'smoke' | 'quick' | 'usual' | 'full';

/** What was asked for. */
export interface BenchOptions {
  readonly scale: Scale;
  /** Names of cases; all if it is empty. */
  readonly only: readonly string[];
  /** Where the case `mirror` puts stores; everywhere if it is undefined. */
  readonly on: Medium | undefined;
  readonly json: boolean;
  /** Where caches that are made are kept, and where stores on disk are put. */
  readonly workDirectory: string;
  readonly cache: { readonly directory: string; readonly publicKey: string } | undefined;
  /** Another checkout of this project that is measured as well. */
  readonly against: string | undefined;
  readonly rounds: number;
  readonly help: boolean;
}

/** Medians are of at least so many. */
const LEAST_ROUNDS = 3;

export const USAGE = `npm run bench -- [OPTION…]

  --quick          a closure of some 40 MB in memory, a minute or two (the first time makes caches)
  --full           also a NAR of 4 GB, 100,000 paths, and slow comparisons
  --smoke          only that every stage runs, on a few kilobytes
  --only CASE      this case; may be repeated
  --on RAM|disk    the case mirror: only into stores there
  --rounds N       how often everything is measured, in turn (default and least: ${LEAST_ROUNDS})
  --json           the table as JSON
  --work DIR       where caches are kept and stores on disk are put
                   (default: narthex-bench in the XDG cache directory)
  --cache DIR      a binary cache, or a directory with caches none, zstd and xz, in place of one made of
                   Debian packages
  --trusted-public-keys KEY
                   what that cache is signed with
  --against DIR    another checkout of narthex, its dependencies installed, to mirror in turn with this one
  --help`;

/** @throws BenchError the command line is wrong */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): BenchOptions {
  const { values } = parse(args);
  const scale = values.smoke ? 'smoke' : values.quick ? 'quick' : values.full ? 'full' : 'usual';
  const rounds = Number(values.rounds ?? LEAST_ROUNDS);
  if (!Number.isInteger(rounds) || rounds < LEAST_ROUNDS) {
    throw new BenchError(`--rounds is a whole number from ${LEAST_ROUNDS} on`);
  }
  const on = MEDIA.find((medium) => medium === values.on);
  if (values.on !== undefined && on === undefined) {
    throw new BenchError(`--on is one of ${MEDIA.join(', ')}`);
  }
  const publicKey = values['trusted-public-keys'];
  if (values.cache !== undefined && publicKey === undefined) {
    throw new BenchError('--cache needs the key that it is signed with: --trusted-public-keys KEY');
  }
  const { XDG_CACHE_HOME: cacheHome, HOME: home } = env;
  const caches = cacheHome || (home ? join(home, '.cache') : tmpdir());
  return {
    scale,
    only: values.only ?? [],
    on,
    json: values.json ?? false,
    workDirectory: resolve(values.work ?? join(caches, 'narthex-bench')),
    cache:
      values.cache === undefined || publicKey === undefined
        ? undefined
        : { directory: resolve(values.cache), publicKey },
    against: values.against === undefined ? undefined : resolve(values.against),
    rounds,
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        smoke: { type: 'boolean' },
        quick: { type: 'boolean' },
        full: { type: 'boolean' },
        on: { type: 'string' },
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        json: { type: 'boolean' },
        work: { type: 'string' },
        cache: { type: 'string' },
        'trusted-public-keys': { type: 'string' },
        against: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}
