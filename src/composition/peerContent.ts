/** Content that comes from peers: castore over gRPC, believed only once it is the signed NAR. */
import { type Castore, copyNode } from '../castore/copyNode.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { GrpcBlobService } from '../grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../grpc/castore/grpcDirectoryService.ts';
import type { GrpcChannel } from '../grpc/channel.ts';
import type { CopyContent } from '../pathinfo/combinators/bringClosure.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { measureNar } from '../render/measureNar.ts';
import type { Holdings } from './holdings.ts';

/** The castore services of a peer. */
export function castoreOver(channel: GrpcChannel): Castore {
  return {
    blobService: new GrpcBlobService(channel),
    directoryService: new GrpcDirectoryService(channel),
  };
}

/** Those of holdings. */
export function castoreOf({
  blobs,
  directories,
}: Pick<Holdings, 'blobs' | 'directories'>): Castore {
  return { blobService: blobs, directoryService: directories };
}

/**
 * Copies contents to `to` before their PathInfos are put there. A signature speaks of a NAR; that a peer's content
 * is that NAR is for us to see.
 * @param source who is told of in errors
 */
export function copyVerified(
  from: Castore,
  to: Pick<Holdings, 'blobs' | 'directories' | 'recordContent' | 'hold'>,
  source: string,
): CopyContent {
  const near = castoreOf(to);
  return async ({ node, claim }, { signal }) => {
    using _held = to.hold?.();
    await copyNode(node, { from, to: near, signal, maxBytes: claim.narSize });
    const measured = await measureNar(node, { ...near, signal });
    checkNar(claim, measured, source);
    to.recordContent(measured.narHash, { node, narSize: measured.narSize });
  };
}

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
