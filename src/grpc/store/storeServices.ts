/** A PathInfo service, offered over gRPC. */
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import type { Digest } from '../../castore/digest.ts';
import type { Node } from '../../castore/node.ts';
import { NarthexError } from '../../errors.ts';
import { isVariantService } from '../../pathinfo/combinators/variantMethods.ts';
import type { PathInfo } from '../../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../../pathinfo/pathInfoService.ts';
import type { UnresolvedPathInfo } from '../../pathinfo/unresolvedPathInfo.ts';
import type { NarMeasure } from '../../render/measureNar.ts';
import { formatHashPart } from '../../storePath.ts';
import { type Authorize, requireUploader } from '../authorization.ts';
import { entryFromProto } from '../castore/entryConversion.ts';
import { asField, digestFrom, invalidField } from '../fields.ts';
import {
  type VariantInfo,
  VariantService as VariantServiceSchema,
} from '../gen/narthex/store/v1/rpc_variant_pb.ts';
import type { PathInfo as ProtoPathInfo } from '../gen/snix/store/v1/pathinfo_pb.ts';
import {
  CalculateNARResponseSchema,
  PathInfoService as PathInfoServiceSchema,
} from '../gen/snix/store/v1/rpc_pathinfo_pb.ts';
import type { GrpcServices } from '../grpcHandler.ts';
import { untilClosed } from '../untilClosed.ts';
import { pathInfoFromProto, pathInfoToProto } from './pathInfoConversion.ts';
import { preferResultToProto } from './preferConversion.ts';
import { variantFromProto, variantToProto } from './variantConversion.ts';

/**
 * Verifies what an uploader puts, and keeps it. What comes without references by content is put in
 * relation to what is kept, and never takes the place of anything.
 */
export type AcceptPut = (
  pathInfos: readonly (PathInfo | UnresolvedPathInfo)[],
  uploader: string,
  options: PathInfoOptions,
) => Promise<PathInfo[]>;

/** PathInfos of one stream that are put at once. */
const PUT_BATCH = 256;

/** What is offered, and who may write. */
export interface StoreServicesOptions {
  readonly pathInfoService: PathInfoService;
  /** @throws LIMIT_EXCEEDED before anything is rendered */
  readonly measureNar: (node: Node, options: PathInfoOptions) => Promise<NarMeasure>;
  /** Without it nobody may write. */
  readonly authorize?: Authorize | undefined;
  /** Without it nothing may be put. */
  readonly acceptPut?: AcceptPut | undefined;
}

/** `snix.store.v1.PathInfoService`, and `narthex.store.v1.VariantService` where there are variants. */
export function storeServices(options: StoreServicesOptions): GrpcServices {
  const { pathInfoService, measureNar } = options;
  const { acceptPut, authorize } = options;
  const put = async (
    pathInfos: readonly (PathInfo | UnresolvedPathInfo)[],
    context: HandlerContext,
  ): Promise<PathInfo[]> => {
    const uploader = requireUploader(context, authorize);
    if (acceptPut === undefined) throw new NarthexError('READ_ONLY', 'no PathInfos are taken here');
    return await acceptPut(pathInfos, uploader, { signal: context.signal });
  };
  return (router) => {
    router.service(PathInfoServiceSchema, {
      async get(request, { signal }) {
        if (request.byWhat.case !== 'byOutputHash') {
          throw invalidField('by_what', 'no digest is given');
        }
        const digest = storePathDigest(request.byWhat.value, 'by_output_hash');
        return pathInfoToProto(present(await pathInfoService.get(digest, { signal })));
      },
      async put(message, context) {
        requireUploader(context, authorize);
        const [kept] = await put([fromClient(message)], context);
        return pathInfoToProto(present(kept));
      },
      async calculateNAR(entry, { signal }) {
        const { name, node } = entryFromProto(entry, 'entry');
        if (name.length > 0) throw invalidField('entry.name', 'it is not empty');
        const { narSize, narHash } = await measureNar(node, { signal });
        return create(CalculateNARResponseSchema, {
          narSize: BigInt(narSize),
          narSha256: narHash.digest,
        });
      },
      async *list(_request, { signal }) {
        for await (const pathInfo of pathInfoService.list({ signal })) {
          yield pathInfoToProto(pathInfo);
        }
      },
    });
    if (!isVariantService(pathInfoService)) return;
    router.service(VariantServiceSchema, {
      async get(request, { signal }) {
        const { digest, closureDigest } = variantKey(request);
        const found = await pathInfoService.getVariant(digest, closureDigest, { signal });
        return variantToProto(present(found));
      },
      async getCurrent(request, { signal }) {
        const digest = storePathDigest(request.digest, 'digest');
        return variantToProto(present(await pathInfoService.get(digest, { signal })));
      },
      async *list(request, { signal }) {
        const digest = storePathDigest(request.digest, 'digest');
        for await (const pathInfo of pathInfoService.listVariants(digest, { signal })) {
          yield variantToProto(pathInfo);
        }
      },
      async *listCurrent(_request, { signal }) {
        for await (const pathInfo of pathInfoService.list({ signal }))
          yield variantToProto(pathInfo);
      },
      async getByClosureDigest(request, { signal }) {
        const closureDigest = digestFrom(request.closureDigest, 'closure_digest');
        const found = await pathInfoService.getByClosureDigest(closureDigest, { signal });
        return variantToProto(present(found));
      },
      async prefer(request, context) {
        requireUploader(context, authorize);
        const { digest, closureDigest } = variantKey(request);
        const { signal } = context;
        return preferResultToProto(await pathInfoService.prefer(digest, closureDigest, { signal }));
      },
      async *put(messages, context) {
        requireUploader(context, authorize);
        let batch: PathInfo[] = [];
        const putBatch = async () => {
          const kept = await put(batch, context);
          batch = [];
          return kept.map(variantToProto);
        };
        for await (const message of messages) {
          batch.push(variantFromClient(message));
          if (batch.length === PUT_BATCH) yield* await putBatch();
        }
        await untilClosed(context.signal);
        if (batch.length > 0) yield* await putBatch();
      },
    });
  };
}

function fromClient(message: ProtoPathInfo): PathInfo | UnresolvedPathInfo {
  return pathInfoFromProto(message, { origin: undefined });
}

function variantFromClient(message: VariantInfo): PathInfo {
  return variantFromProto(message, undefined);
}

function variantKey(key: { readonly digest: Uint8Array; readonly closureDigest: Uint8Array }): {
  digest: Uint8Array;
  closureDigest: Digest;
} {
  return {
    digest: storePathDigest(key.digest, 'digest'),
    closureDigest: digestFrom(key.closureDigest, 'closure_digest'),
  };
}

function storePathDigest(bytes: Uint8Array, field: string): Uint8Array {
  asField(field, () => formatHashPart(bytes));
  return bytes.slice();
}

function present(pathInfo: PathInfo | undefined): PathInfo {
  if (pathInfo !== undefined) return pathInfo;
  throw new ConnectError('no such path is here', Code.NotFound);
}
