import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { preferenceContract } from '../contracts/preferenceContract.ts';
import { variantContract } from '../contracts/variantContract.ts';

const open = async () => ({
  service: new MemoryPathInfoService(),
  async [Symbol.asyncDispose]() {},
});

variantContract('MemoryPathInfoService', open);
preferenceContract('MemoryPathInfoService', 300, open);
