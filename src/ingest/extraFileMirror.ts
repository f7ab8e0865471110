/**
 * The extra files of closures that are kept: logs and realisations are asked of the upstreams, debug information
 * is indexed from what is kept.
 *
 * An upstream cannot be asked which extra files it has, so those are asked for whose names follow from a path and
 * its deriver:
 *
 *     logs           log/<deriver>
 *     realisations   build-trace-v2/<deriver>/<output>.doi; names in realisations/ hold a hash that does not
 *                    follow from anything in a narinfo
 *     debuginfo      the build ids of the path itself
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import { NarthexError } from '../errors.ts';
import {
  type ExtraFileName,
  extraFilePath,
  extraFileUrl,
  isOutputName,
} from '../extraFiles/extraFileName.ts';
import type { ExtraFileService } from '../extraFiles/extraFileService.ts';
import type { Limits } from '../limits.ts';
import { walkClosure } from '../pathinfo/closure.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { StorePath } from '../storePath.ts';
import type { DebugInfoIndex } from './debugInfoIndex.ts';
import { drain } from './drain.ts';
import type { ExtraFileIntake } from './extraFileIntake.ts';
import { Queue } from './queue.ts';
import type { UpstreamSet } from './upstreamSet.ts';

/** What can be mirrored besides paths. */
export const EXTRA_FILE_SORTS = ['logs', 'realisations', 'debuginfo'] as const;
export type ExtraFileSort = (typeof EXTRA_FILE_SORTS)[number];

/** What a run tells. */
export type ExtraFileEvent =
  /** `path`: below the cache. */
  | { readonly type: 'extraFileKept'; readonly path: string }
  | { readonly type: 'extraFileFailed'; readonly path: string; readonly error: NarthexError };

/** What an {@link ExtraFileMirror} is made of. */
export interface ExtraFileMirrorOptions {
  /** Not closed by it. */
  readonly upstreams: UpstreamSet;
  readonly pathInfoService: Pick<PathInfoService, 'getVariant'>;
  readonly extraFiles: ExtraFileService;
  readonly intake: ExtraFileIntake;
  readonly debugInfo: DebugInfoIndex;
  readonly limits: Limits;
}

/** How {@link ExtraFileMirror.run} goes. */
export interface ExtraFileMirrorRun extends ServiceOptions {
  readonly sorts: ReadonlySet<ExtraFileSort>;
  readonly onEvent?: ((event: ExtraFileEvent) => void) | undefined;
}

/** Files that are asked for, or paths that are indexed, at once. */
const IN_FLIGHT = 16;

/** Brings extra files in. */
export class ExtraFileMirror {
  readonly #options: ExtraFileMirrorOptions;

  constructor(options: ExtraFileMirrorOptions) {
    this.#options = options;
  }

  /**
   * Brings in the extra files of all paths in the closures of `roots`. What is kept already is not asked for
   * again, what no upstream has is no error, and a file that fails stops none of the others.
   * @throws REFERENCE_MISSING a part of a closure is gone
   * @throws the signal's reason
   */
  async run(roots: readonly PathInfo[], run: ExtraFileMirrorRun): Promise<void> {
    const { sorts, signal } = run;
    const names = new Map<string, ExtraFileName>();
    for await (const { pathInfo } of walkClosure(this.#options.pathInfoService, roots, run)) {
      for (const name of askedNames(pathInfo.claim, sorts)) names.set(extraFilePath(name), name);
      if (sorts.has('debuginfo')) await this.#index(pathInfo, run);
    }
    await drain(Queue.of(names.values()), IN_FLIGHT, async (name) => {
      signal?.throwIfAborted();
      await this.#fetch(name, run);
    });
  }

  async #fetch(name: ExtraFileName, run: ExtraFileMirrorRun): Promise<void> {
    const { upstreams, extraFiles, intake, limits } = this.#options;
    const { signal } = run;
    const maxBytes = name.kind === 'log' ? limits.buildLogBytes : limits.realisationBytes;
    await this.#told(extraFilePath(name), run, async () => {
      if ((await extraFiles.get(name, { signal })) !== undefined) return [];
      const found = await upstreams.first(
        async (upstream) => {
          const file = await upstream.file(extraFileUrl(name), { signal, maxBytes });
          if (file === undefined) return undefined;
          await intake.put(name, file.body, { signal });
          return name;
        },
        { signal },
      );
      return found === undefined ? [] : [found];
    });
  }

  async #index(pathInfo: PathInfo, run: ExtraFileMirrorRun): Promise<void> {
    const { debugInfo } = this.#options;
    const { absolute } = pathInfo.storePath;
    await this.#told(`debuginfo of ${absolute}`, run, () => debugInfo.index(pathInfo, run));
  }

  /** Tells what `work` brought in, or why it failed. */
  async #told(
    path: string,
    { signal, onEvent }: ExtraFileMirrorRun,
    work: () => Promise<readonly ExtraFileName[]>,
  ): Promise<void> {
    try {
      for (const name of await work())
        onEvent?.({ type: 'extraFileKept', path: extraFilePath(name) });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof NarthexError)) throw error;
      onEvent?.({ type: 'extraFileFailed', path, error });
    }
  }
}

/** The files to ask for about a path. */
function askedNames(
  { deriver, storePath }: { deriver: StorePath | undefined; storePath: StorePath },
  sorts: ReadonlySet<ExtraFileSort>,
): ExtraFileName[] {
  // a derivation that is kept itself may have been built here, too
  const derivation = storePath.isDerivation ? storePath : deriver;
  if (derivation?.isDerivation !== true) return [];
  const output = outputOf(storePath, derivation);
  return [
    ...(sorts.has('logs') ? [{ kind: 'log', derivation } as const] : []),
    ...(sorts.has('realisations') && output !== undefined
      ? [{ kind: 'buildTrace', derivation, output } as const]
      : []),
  ];
}

/** `out` where a path is called as its derivation is, else what follows: `hello-1.0-dev` is `dev`. */
function outputOf({ name }: StorePath, derivation: StorePath): string | undefined {
  const built = derivation.name.slice(0, -'.drv'.length);
  if (name === built) return 'out';
  const output = name.startsWith(`${built}-`) ? name.slice(built.length + 1) : '';
  return isOutputName(output) ? output : undefined;
}
