import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { currentViewContract } from '../contracts/currentViewContract.ts';

currentViewContract('MemoryPathInfoService', 300, async () => ({
  service: new MemoryPathInfoService(),
  async [Symbol.asyncDispose]() {},
}));
