import { MemoryFindingService } from '../../src/pathinfo/memoryFindingService.ts';
import { findingServiceContract } from '../contracts/findingServiceContract.ts';

findingServiceContract('MemoryFindingService', async () => ({
  service: new MemoryFindingService(),
  async [Symbol.asyncDispose]() {},
}));
