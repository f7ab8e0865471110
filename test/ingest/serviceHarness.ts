/** A `NixHTTPPathInfoService` over services of a kind, with what tests ask of it. */

import type { BlobService } from '../../src/castore/blobService.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { isNarthexError } from '../../src/errors.ts';
import {
  NixHTTPPathInfoService,
  type NixHTTPPathInfoServiceOptions,
} from '../../src/httpService.ts';
import type { WalkResult } from '../../src/ingest/closureWalk.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { PublicKey } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { collect } from '../render/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { sha256Field } from '../support/nixbase32.ts';
import { serveStatic } from '../support/staticCache.ts';
import { TEST_KEY } from '../support/syntheticCache.ts';

/** Where things are kept. */
export interface Services extends AsyncDisposable {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly pathInfoService: PathInfoService;
  readonly contentByNarHash?: NixHTTPPathInfoServiceOptions['contentByNarHash'];
  readonly recordContent?: NixHTTPPathInfoServiceOptions['recordContent'];
}

/** All in memory. */
export async function memoryServices(): Promise<Services> {
  return {
    blobService: new MemoryBlobService(),
    directoryService: new MemoryDirectoryService(),
    pathInfoService: new MemoryPathInfoService(),
    async [Symbol.asyncDispose]() {},
  };
}

/** The embedded store. */
export async function storeServices(): Promise<Services> {
  const temporary = await temporaryStore();
  const { store } = temporary;
  return {
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: store.pathInfos,
    contentByNarHash: (narHash) => store.contentByNarHash(narHash),
    recordContent: (narHash, content) => store.recordContent(narHash, content),
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

/** For `describe.each`. */
export const SERVICE_KINDS = [
  ['in memory', memoryServices],
  ['in the embedded store', storeServices],
] as const;

/** What differs from the usual. */
export type HarnessOptions = Partial<NixHTTPPathInfoServiceOptions> & {
  readonly baseUrl: NixHTTPPathInfoServiceOptions['baseUrl'];
  /** `trusted-public-keys`; the key of synthetic caches by default. */
  readonly publicKeys?: readonly string[];
};

/** A service over {@link Services}: no waiting between retries, the test key trusted. */
export function serviceOver(services: Services, options: HarnessOptions): NixHTTPPathInfoService {
  const { publicKeys = [TEST_KEY.publicKey], ...others } = options;
  const { blobService, directoryService, pathInfoService } = services;
  const { contentByNarHash, recordContent } = services;
  return new NixHTTPPathInfoService({
    blobService,
    directoryService,
    pathInfoService,
    contentByNarHash,
    recordContent,
    trustedKeys: publicKeys.map((key) => PublicKey.parse(key)),
    retry: { sleep: async () => {} },
    ...others,
  });
}

/** The digest of a full store path. */
export function digestOf(storePath: string): Uint8Array {
  return StorePath.parse(storePath).digest;
}

/** What became of wanted paths, in words: `kept`, `absent` or the code of the error. */
export async function ingestAll(
  service: NixHTTPPathInfoService,
  storePaths: readonly string[],
): Promise<string[]> {
  const results = await service.ingest(storePaths.map((path) => StorePath.parse(path)));
  return results.map(outcomeOf);
}

/** The same of one result. */
export function outcomeOf(result: WalkResult): string {
  if (result.outcome !== 'failed') return result.outcome;
  return isNarthexError(result.error) ? result.error.code : String(result.error);
}

/** The code of the error that a promise rejects with; what else comes of it as text. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    return `no error but ${await promise}`;
  } catch (error) {
    return isNarthexError(error) ? error.code : String(error);
  }
}

/** The NarHash of what is kept, by rendering it. */
export async function renderedNarHash(services: Services, pathInfo: PathInfo): Promise<string> {
  return sha256Field(await collect(renderNar(pathInfo.node, services)));
}

/** Base names of all current paths, sorted. */
export async function keptPaths(services: Services): Promise<string[]> {
  const paths: string[] = [];
  for await (const { storePath } of services.pathInfoService.list()) paths.push(storePath.absolute);
  return paths.sort();
}

/** Everything that is kept about a path, current or not. */
export async function variantsOf(services: Services, storePath: string): Promise<PathInfo[]> {
  return await Array.fromAsync(services.pathInfoService.listVariants(digestOf(storePath)));
}

/** The address of a server that is gone. */
export async function deadUrl(): Promise<string> {
  await using server = await serveStatic(new Map());
  return server.url;
}
