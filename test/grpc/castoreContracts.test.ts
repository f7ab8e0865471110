/** Castore services over gRPC are castore services. */
import type { BlobService } from '../../src/castore/blobService.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { castoreServices } from '../../src/grpc/castore/castoreServices.ts';
import { GrpcBlobService } from '../../src/grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../../src/grpc/castore/grpcDirectoryService.ts';
import { blobServiceContract } from '../contracts/blobServiceContract.ts';
import { directoryServiceContract } from '../contracts/directoryServiceContract.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { loopback } from './loopback.ts';

interface Behind extends AsyncDisposable {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
}

async function serve({ blobs, directories, ...opened }: Behind) {
  const server = await loopback({
    services: [
      castoreServices({
        blobService: blobs,
        directoryService: directories,
        authorize: () => 'tests',
      }),
    ],
  });
  return {
    channel: server.channel,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

const BEHIND: Readonly<Record<string, () => Promise<Behind>>> = {
  memory: async () => ({
    blobs: new MemoryBlobService(),
    directories: new MemoryDirectoryService(),
    async [Symbol.asyncDispose]() {},
  }),
  'the embedded store': async () => {
    const opened = await temporaryStore();
    return {
      blobs: opened.store.blobs,
      directories: opened.store.directories,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  },
};

for (const [name, open] of Object.entries(BEHIND)) {
  blobServiceContract(`gRPC to ${name}`, async () => {
    const served = await serve(await open());
    return { service: new GrpcBlobService(served.channel), ...served };
  });
  directoryServiceContract(`gRPC to ${name}`, async () => {
    const served = await serve(await open());
    return { service: new GrpcDirectoryService(served.channel), ...served };
  });
}
