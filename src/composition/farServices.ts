/** What a store brings in on demand: addresses of upstreams as a PathInfo service that is far. */
import { CoolDown } from '../castore/combinators/coolDown.ts';
import { type Castore, copyNode } from '../castore/copyNode.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { GrpcBlobService } from '../grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../grpc/castore/grpcDirectoryService.ts';
import { type GrpcChannel, openChannel } from '../grpc/channel.ts';
import { GrpcPathInfoService } from '../grpc/store/grpcPathInfoService.ts';
import { NixHTTPPathInfoService } from '../httpService.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { CachePathInfoService } from '../pathinfo/combinators/cachePathInfoService.ts';
import { PriorityPathInfoService } from '../pathinfo/combinators/priorityPathInfoService.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import { measureNar } from '../render/measureNar.ts';
import type { PublicKey } from '../signature.ts';
import type { Store } from '../store/store.ts';

/** Where what is not in a store comes from, and who is believed. */
export interface FarSettings {
  /**
   * `grpc+http://host:port` or `grpc+https://…` for peers; all others are binary caches: URLs,
   * directories or zip files.
   */
  readonly addresses: readonly string[];
  readonly trustedKeys: readonly PublicKey[];
}

/** A store that brings in what it lacks. Disposing leaves the store open. */
export interface FilledStore extends AsyncDisposable {
  readonly pathInfoService: VariantService;
}

const GRPC = /^grpc\+(?=https?:)/i;
const HTTP = /^https?:/i;

/**
 * `store` in front of its upstreams: binary caches first, in the order of their priorities, then peers
 * in the order given. What is asked for and not here is brought in with its closure, then answered.
 * @throws UPSTREAM_URL_INVALID | NOT_A_BINARY_CACHE
 */
export async function fillFrom(
  store: Store,
  { addresses, trustedKeys }: FarSettings,
): Promise<FilledStore> {
  await using opened = new AsyncDisposableStack();
  const peers = addresses.filter((address) => GRPC.test(address));
  const caches = addresses.filter((address) => !GRPC.test(address));
  const trust = new TrustPolicy(trustedKeys);
  let filled: VariantService = store.pathInfos;
  const coolDown = new CoolDown<VariantService>({ now: Date.now, random: Math.random });
  const fars = peers.map((address) => {
    const channel = opened.use(openChannel(address.replace(GRPC, '')));
    const far = new GrpcPathInfoService(channel, { trust });
    const from = castoreOver(channel);
    const to = { blobService: store.blobs, directoryService: store.directories };
    return new CachePathInfoService({
      near: store.pathInfos,
      far,
      now: Date.now,
      async copyContent({ node, claim }, { signal }) {
        await copyNode(node, { from, to, signal });
        const measured = await measureNar(node, { ...to, signal });
        checkNar(claim, measured, channel.url);
        store.recordContent(measured.narHash, { node, narSize: measured.narSize });
      },
    });
  });
  const [first, ...others] = fars;
  if (first !== undefined) filled = new PriorityPathInfoService([first, ...others], coolDown);
  if (caches.length > 0) {
    // opened when the first narinfo of an upstream names content
    const channels = opened.use(new DisposableStack());
    const castores = new Map<string, Castore>();
    const castoreOf = (url: string) => {
      if (!HTTP.test(url)) return undefined;
      const known = castores.get(url);
      if (known !== undefined) return known;
      const castore = castoreOver(channels.use(openChannel(url)));
      castores.set(url, castore);
      return castore;
    };
    const far = opened.use(
      new NixHTTPPathInfoService({
        castoreOf,
        baseUrl: await openUpstreams(caches, {}),
        trustedKeys,
        blobService: store.blobs,
        directoryService: store.directories,
        pathInfoService: store.pathInfos,
        contentByNarHash: (narHash) => store.contentByNarHash(narHash),
        recordContent: (narHash, content) => store.recordContent(narHash, content),
      }),
    );
    const cached = new CachePathInfoService({ near: store.pathInfos, far, now: Date.now });
    filled =
      first === undefined
        ? cached
        : new PriorityPathInfoService([cached, first, ...others], coolDown);
  }
  const owned = opened.move();
  return { pathInfoService: filled, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The castore services of a peer. */
function castoreOver(channel: GrpcChannel): Castore {
  return {
    blobService: new GrpcBlobService(channel),
    directoryService: new GrpcDirectoryService(channel),
  };
}

/** A signature speaks of a NAR; that a peer's content is that NAR is for us to see. */
function checkNar(
  { storePath, narHash, narSize }: PathInfo['claim'],
  measured: Awaited<ReturnType<typeof measureNar>>,
  url: string,
): void {
  if (measured.narHash.equals(narHash) && measured.narSize === narSize) return;
  throw new NarthexError(
    'NAR_HASH_MISMATCH',
    `${storePath.absolute}: the content from ${excerpt(url)} hashes to ${measured.narHash}, not to ${narHash}`,
    {
      storePath: storePath.absolute,
      url,
      expected: String(narHash),
      actual: String(measured.narHash),
    },
  );
}
