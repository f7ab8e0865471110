import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { blobServiceContract } from '../contracts/blobServiceContract.ts';
import { directoryServiceContract } from '../contracts/directoryServiceContract.ts';

const nothing = { async [Symbol.asyncDispose]() {} };

blobServiceContract('MemoryBlobService', async () => ({
  service: new MemoryBlobService(),
  ...nothing,
}));
directoryServiceContract('MemoryDirectoryService', async () => ({
  service: new MemoryDirectoryService(),
  ...nothing,
}));
