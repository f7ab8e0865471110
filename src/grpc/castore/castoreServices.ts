/** A blob service and a directory service, offered over gRPC. */
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import type { BlobService, ServiceOptions } from '../../castore/blobService.ts';
import type { DirectoryService } from '../../castore/directoryService.ts';
import { NarthexError } from '../../errors.ts';
import { type Authorize, requireUploader } from '../authorization.ts';
import { digestFrom, invalidField } from '../fields.ts';
import {
  BlobChunkSchema,
  BlobService as BlobServiceSchema,
} from '../gen/snix/castore/v1/rpc_blobstore_pb.ts';
import { DirectoryService as DirectoryServiceSchema } from '../gen/snix/castore/v1/rpc_directory_pb.ts';
import type { GrpcServices } from '../grpcHandler.ts';
import { BLOB_PIECE_BYTES, MAX_BLOB_BYTES, MAX_DIRECTORIES_PER_PUT } from '../limits.ts';
import { untilClosed } from '../untilClosed.ts';
import { directoryFromProto, directoryToProto } from './entryConversion.ts';

/** What is offered, and who may write. */
export interface CastoreServicesOptions {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  /** Without it nobody may. */
  readonly authorize?: Authorize | undefined;
}

/** `snix.castore.v1.BlobService` and `snix.castore.v1.DirectoryService`. */
export function castoreServices(options: CastoreServicesOptions): GrpcServices {
  const { blobService, directoryService, authorize } = options;
  return (router) => {
    router.service(BlobServiceSchema, {
      async stat(request, { signal }) {
        const digest = digestFrom(request.digest, 'digest');
        if (request.sendBao) {
          throw new NarthexError('UNSUPPORTED', 'bao outboards are not kept', {
            field: 'send_bao',
          });
        }
        const stat = await blobService.stat(digest, { signal });
        if (stat === undefined) throw notFound('blob', String(digest));
        const chunks = request.sendChunks
          ? stat.chunks.map((chunk) => ({ digest: chunk.digest.bytes, size: BigInt(chunk.size) }))
          : [];
        return { chunks };
      },
      async *read(request, { signal }) {
        const digest = digestFrom(request.digest, 'digest');
        const bytes = await blobService.read(digest, { signal });
        if (bytes === undefined) throw notFound('blob', String(digest));
        for await (const piece of bytes) {
          for (let at = 0; at < piece.length; at += BLOB_PIECE_BYTES) {
            yield create(BlobChunkSchema, { data: piece.subarray(at, at + BLOB_PIECE_BYTES) });
          }
        }
      },
      async put(pieces, context) {
        requireUploader(context, authorize);
        return { digest: await putBlob(blobService, pieces, context) };
      },
    });
    router.service(DirectoryServiceSchema, {
      async *get(request, { signal }) {
        if (request.byWhat.case !== 'digest') throw invalidField('by_what', 'no digest is given');
        const digest = digestFrom(request.byWhat.value, 'digest');
        const first = await directoryService.get(digest, { signal });
        if (first === undefined) throw notFound('directory', String(digest));
        if (!request.recursive) {
          yield directoryToProto(first);
          return;
        }
        for await (const directory of directoryService.getRecursive(digest, { signal })) {
          yield directoryToProto(directory);
        }
      },
      async put(messages, context) {
        requireUploader(context, authorize);
        const { signal } = context;
        await using putter = directoryService.openPut({ signal });
        let count = 0;
        let root: Uint8Array | undefined;
        for await (const message of messages) {
          count++;
          checkAtMost('directories', count, MAX_DIRECTORIES_PER_PUT);
          const directory = directoryFromProto(message);
          await putter.put(directory);
          root = directory.digest.bytes;
        }
        await untilClosed(signal);
        if (root === undefined) throw invalidField('directory', 'none is given');
        await putter.close();
        return { rootDigest: root };
      },
    });
  };
}

async function putBlob(
  blobService: BlobService,
  pieces: AsyncIterable<{ readonly data: Uint8Array }>,
  { signal }: HandlerContext & ServiceOptions,
): Promise<Uint8Array> {
  await using writer = blobService.openWrite({ signal });
  let size = 0;
  for await (const { data } of pieces) {
    size += data.length;
    checkAtMost('blobBytes', size, MAX_BLOB_BYTES);
    await writer.write(data);
  }
  await untilClosed(signal);
  return (await writer.close()).digest.bytes;
}

function checkAtMost(limit: string, actual: number, expected: number): void {
  if (actual <= expected) return;
  throw new NarthexError('LIMIT_EXCEEDED', `${limit} is above the limit of ${expected}`, {
    limit,
    expected,
    actual,
  });
}

function notFound(what: string, digest: string): ConnectError {
  return new ConnectError(`no ${what} ${digest} is here`, Code.NotFound);
}
