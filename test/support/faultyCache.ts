/**
 * A binary cache whose server follows a script of faults.
 *
 *     await using cache = await faultyCache(directory, { nar: [{ truncateAt: 1000 }, forever({ status: 503 })] });
 */
import { type Answer, type ServeOptions, type StaticServer, serveStatic } from './staticCache.ts';

/** An answer that is given from its turn on. */
export interface Forever {
  readonly forever: Answer;
}

/** What the answers to the requests for a kind of file are, one after the other; as usual at the end. */
export type FaultScript = readonly (Answer | Forever)[];

/** Scripts by the kind of file. */
export interface Faults {
  readonly cacheInfo?: FaultScript;
  readonly narinfo?: FaultScript;
  readonly nar?: FaultScript;
}

/** For scripts. */
export const forever = (answer: Answer): Forever => ({ forever: answer });

/** What is in an answer to all requests that never comes. */
export const NEVER = new Promise<never>(() => {});

function kindOf(path: string): keyof Faults {
  if (path === 'nix-cache-info') return 'cacheInfo';
  return path.endsWith('.narinfo') ? 'narinfo' : 'nar';
}

/** Serves what is in `directory`, but for the faults. The scripts run through once for all files of a kind. */
export async function faultyCache(
  directory: string,
  faults: Faults,
  options: ServeOptions = {},
): Promise<StaticServer> {
  const turns: Record<keyof Faults, number> = { cacheInfo: 0, narinfo: 0, nar: 0 };
  return await serveStatic(directory, {
    ...options,
    respond({ path }) {
      const kind = kindOf(path);
      const script = faults[kind] ?? [];
      const turn = turns[kind]++;
      const last = script.at(-1);
      const step = script[turn] ?? (last !== undefined && 'forever' in last ? last : undefined);
      return step !== undefined && 'forever' in step ? step.forever : step;
    },
  });
}
