/** A store on a port that brings in what it lacks, over caches of tests. */
import { BinaryCacheRoutes } from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import {
  PINNED_CLOSURE_PREFIX,
  PinnedClosureRoutes,
} from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { routesByPrefix } from '../../src/cacheRoutes/routesByPrefix.ts';
import { isNarthexError } from '../../src/errors.ts';
import { NixHTTPPathInfoService } from '../../src/httpService.ts';
import { PullThrough, type PullThroughOptions } from '../../src/pullThrough/pullThrough.ts';
import { listen } from '../../src/server/httpServer.ts';
import { PublicKey } from '../../src/signature.ts';
import type { Store } from '../../src/store/store.ts';
import { itemsOf } from '../contracts/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import type { BuiltPath } from '../support/syntheticCache.ts';
import { TEST_KEY } from '../support/syntheticCache.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

/** What differs from the usual. */
export interface DemandServerOptions
  extends Partial<Omit<PullThroughOptions, 'ingester' | 'pathInfoService' | 'castore'>> {
  readonly publicKey?: string;
  readonly compression?: 'none' | 'zstd';
  /** In place of the look into what is kept, which it is given. */
  readonly look?: (get: Look) => Look;
}

type Look = PullThroughOptions['pathInfoService']['get'];

/** A server. */
export interface DemandServer extends AsyncDisposable {
  readonly url: string;
  readonly store: Store;
  readonly pullThrough: PullThrough;
  readonly spools: TemporaryDirectory;
  /** Codes of what went wrong in the background. */
  readonly failures: string[];
  /** Resolves once a path is kept. Ask for it before anything could be. */
  kept(storePath: string): Promise<void>;
  /** Full paths of all that is kept, sorted. */
  paths(): Promise<string[]>;
}

/** A store before these upstreams. */
export async function demandServer(
  upstreams: readonly string[],
  { publicKey = TEST_KEY.publicKey, compression, look, ...options }: DemandServerOptions = {},
): Promise<DemandServer> {
  await using opened = new AsyncDisposableStack();
  const spools = opened.use(await temporaryDirectory('spools'));
  const { store } = opened.use(await temporaryStore());
  const castore = { blobService: store.blobs, directoryService: store.directories };
  const ingester = opened.use(
    new NixHTTPPathInfoService({
      baseUrl: upstreams,
      trustedKeys: [PublicKey.parse(publicKey)],
      ...castore,
      pathInfoService: store.pathInfos,
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      recordContent: (narHash, content) => store.recordContent(narHash, content),
      retry: { sleep: async () => {} },
    }),
  );
  const getKept: Look = (digest, callOptions) => store.pathInfos.get(digest, callOptions);
  const failures: string[] = [];
  const keptNow = new Set<string>();
  const waiting = new Map<string, () => void>();
  const pullThrough = opened.use(
    await PullThrough.open({
      ingester: {
        source: ingester.source,
        ingest: (wanted, ingestOptions) =>
          ingester.ingest(wanted, {
            ...ingestOptions,
            onEvent(event) {
              ingestOptions.onEvent(event);
              if (event.type !== 'kept') return;
              const { absolute } = event.pathInfo.storePath;
              keptNow.add(absolute);
              waiting.get(absolute)?.();
            },
          }),
      },
      pathInfoService: look === undefined ? store.pathInfos : { get: look(getKept) },
      castore,
      spoolDirectory: spools.path,
      now: () => performance.now(),
      onFailure: (error) => failures.push(isNarthexError(error) ? error.code : String(error)),
      ...options,
    }),
  );
  const current = new BinaryCacheRoutes({
    ...castore,
    pathInfoService: store.pathInfos,
    narHashIndex: store,
    pending: pullThrough,
    compression,
  });
  const pinned = new PinnedClosureRoutes({
    pathInfoService: store.pathInfos,
    files: current.files,
  });
  const server = opened.use(
    await listen({ routes: routesByPrefix([[PINNED_CLOSURE_PREFIX, pinned]], current) }),
  );
  // answers under way end with what they wait for
  opened.defer(() => pullThrough[Symbol.asyncDispose]());
  const owned = opened.move();
  return {
    url: server.url,
    store,
    pullThrough,
    spools,
    failures,
    async kept(storePath) {
      if (keptNow.has(storePath)) return;
      await new Promise<void>((resolve) => waiting.set(storePath, resolve));
    },
    async paths() {
      const pathInfos = await itemsOf(store.pathInfos.list());
      return pathInfos.map(({ storePath }) => storePath.absolute).sort();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** `nar/<NarHash>.nar` of a path, as our narinfos name it. */
export function narUrl(server: { readonly url: string }, { narHash }: BuiltPath): string {
  return `${server.url}/nar/${narHash.replace('sha256:', '')}.nar`;
}

/** Its narinfo. */
export function narinfoUrl(server: { readonly url: string }, { hashPart }: BuiltPath): string {
  return `${server.url}/${hashPart}.narinfo`;
}

/** Begins to read a body, and lets it be taken piece by piece. */
export class Download {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #pieces: Uint8Array[] = [];

  private constructor(response: Response) {
    const { body } = response;
    if (body === null) throw new Error('there is no body');
    this.response = response;
    this.#reader = body.getReader();
  }

  static async begin(url: string, init?: RequestInit): Promise<Download> {
    return new Download(await fetch(url, init));
  }

  /** What has come so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** Waits for the next piece. @returns false at the end */
  async next(): Promise<boolean> {
    const { value, done } = await this.#reader.read();
    if (value !== undefined) this.#pieces.push(value);
    return !done;
  }

  /** All of it. @throws when it is cut short */
  async rest(): Promise<Buffer> {
    while (await this.next());
    return this.bytes;
  }

  /** Goes away. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Something that a test lets go on. */
export interface Gate {
  readonly opened: Promise<void>;
  isOpen: boolean;
  open(): void;
}

/** A gate that is closed. */
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  const closed: Gate = {
    opened: promise,
    isOpen: false,
    open() {
      closed.isOpen = true;
      resolve();
    },
  };
  return closed;
}
