import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryExtraFileService } from '../../src/extraFiles/memoryExtraFileService.ts';
import { extraFileServiceContract } from '../contracts/extraFileServiceContract.ts';

extraFileServiceContract('MemoryExtraFileService', async (limits) => {
  const blobs = new MemoryBlobService();
  const service = new MemoryExtraFileService(blobs, limits);
  return { service, blobs, async [Symbol.asyncDispose]() {} };
});
