import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { pathInfoServiceContract } from '../contracts/pathInfoServiceContract.ts';

pathInfoServiceContract('MemoryPathInfoService', async () => ({
  service: new MemoryPathInfoService(),
  async [Symbol.asyncDispose]() {},
}));
