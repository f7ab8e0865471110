/** A store with two worlds of one closure: the caches `franken-a` and `franken-b`. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoOptions } from '../../src/pathinfo/pathInfoService.ts';
import { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { serviceOver } from '../ingest/serviceHarness.ts';
import { unpackSharedCache } from '../support/sharedCaches.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

/** The archives that are needed. */
export const TWO_WORLDS_ARCHIVES = [
  'caches/franken-a-none.tar.zst',
  'caches/franken-b-none.tar.zst',
] as const;

/** What became of a run of the program. */
export interface ProgramRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The variants of one world by the names of their paths (`top`, `dep`, …), references first. */
export class World {
  readonly #pathInfos: ReadonlyMap<string, PathInfo>;

  constructor(pathInfos: readonly PathInfo[]) {
    this.#pathInfos = new Map(pathInfos.map((pathInfo) => [pathInfo.storePath.name, pathInfo]));
  }

  get all(): PathInfo[] {
    return [...this.#pathInfos.values()];
  }

  get(name: string): PathInfo {
    const pathInfo = this.#pathInfos.get(name);
    if (pathInfo === undefined) throw new Error(`there is no ${name}`);
    return pathInfo;
  }
}

/** A store directory that nobody has open, with both worlds in it; that of A is current. */
export interface TwoWorlds extends AsyncDisposable {
  readonly directory: string;
  readonly a: World;
  readonly b: World;
  /** Runs the program with this store. */
  run(...args: string[]): Promise<ProgramRun>;
}

/** @param more what is put into the store besides; its content is symlinks */
export async function twoWorlds(
  more: (a: World, b: World) => readonly PathInfo[] = () => [],
): Promise<TwoWorlds> {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(await temporaryDirectory('two-worlds'));
  await using store = await Store.open(directory.path);
  const a = await worldOf('franken-a-none', store);
  const b = await worldOf('franken-b-none', store);
  await store.pathInfos.putAll([...a.all, ...b.all, ...more(a, b)]);
  const owned = cleanup.move();
  return {
    directory: directory.path,
    a,
    b,
    run: (...args) => runProgram([...args, '--store', directory.path]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Remembers the order in which PathInfos were put: references come first. */
class RecordingPathInfos extends MemoryPathInfoService {
  readonly kept: PathInfo[] = [];

  override async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    const kept = await super.put(pathInfo, options);
    this.kept.push(kept);
    return kept;
  }
}

/** Brings the content of a cache into `store`, and its PathInfos no further than into the answer. */
async function worldOf(cacheName: string, store: Store): Promise<World> {
  await using cache = await unpackSharedCache(cacheName);
  const pathInfoService = new RecordingPathInfos();
  const services = {
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService,
    async [Symbol.asyncDispose]() {},
  };
  await using service = serviceOver(services, {
    baseUrl: cache.directory,
    publicKeys: [cache.publicKey],
  });
  for (const root of cache.info?.roots ?? []) await service.get(StorePath.parse(root).digest);
  return new World(pathInfoService.kept);
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Runs the program in a process of its own. */
export async function runProgram(args: readonly string[]): Promise<ProgramRun> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number>((resolve, reject) => {
    child.on('error', reject).on('exit', (code) => resolve(code ?? -1));
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    exited,
  ]);
  return { exitCode, stdout, stderr };
}
