/** PathInfo services over gRPC are PathInfo services. */

import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { castoreServices } from '../../src/grpc/castore/castoreServices.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import { storeServices } from '../../src/grpc/store/storeServices.ts';
import { hashBytes } from '../../src/hash.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { VariantService } from '../../src/pathinfo/variantService.ts';
import { currentViewContract } from '../contracts/currentViewContract.ts';
import { pathInfoServiceContract } from '../contracts/pathInfoServiceContract.ts';
import { preferenceContract } from '../contracts/preferenceContract.ts';
import { variantContract } from '../contracts/variantContract.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { loopback } from './loopback.ts';

async function over(pathInfos: VariantService, opened: AsyncDisposable) {
  const server = await loopback({
    services: [
      castoreServices({
        blobService: new MemoryBlobService(),
        directoryService: new MemoryDirectoryService(),
      }),
      storeServices({
        pathInfoService: pathInfos,
        measureNar: async () => ({ narSize: 1, narHash: hashBytes('sha256', new Uint8Array()) }),
        authorize: () => 'tests',
        async acceptPut(put, _uploader, options) {
          const resolved = put.filter((pathInfo) => pathInfo instanceof PathInfo);
          return await pathInfos.putAll(resolved, options);
        },
      }),
    ],
  });
  return {
    service: new GrpcPathInfoService(server.channel, { trust: 'peer' }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

const overMemory = () => over(new MemoryPathInfoService(), { async [Symbol.asyncDispose]() {} });
const overStore = async () => {
  const opened = await temporaryStore();
  return await over(opened.store.pathInfos, opened);
};

pathInfoServiceContract('gRPC to memory', overMemory);
variantContract('gRPC to memory', overMemory);
currentViewContract('gRPC to memory', 5, overMemory);
preferenceContract('gRPC to memory', 5, overMemory);
pathInfoServiceContract('gRPC to the embedded store', overStore);
variantContract('gRPC to the embedded store', overStore);
