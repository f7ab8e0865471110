/** Every combinator of PathInfo services is one. */
import { CoolDown } from '../../../src/castore/combinators/coolDown.ts';
import { CachePathInfoService } from '../../../src/pathinfo/combinators/cachePathInfoService.ts';
import { LruPathInfoService } from '../../../src/pathinfo/combinators/lruPathInfoService.ts';
import { PriorityPathInfoService } from '../../../src/pathinfo/combinators/priorityPathInfoService.ts';
import { SigningPathInfoService } from '../../../src/pathinfo/combinators/signingPathInfoService.ts';
import { MemoryPathInfoService } from '../../../src/pathinfo/memoryPathInfoService.ts';
import type { VariantService } from '../../../src/pathinfo/variantService.ts';
import { currentViewContract } from '../../contracts/currentViewContract.ts';
import { pathInfoServiceContract } from '../../contracts/pathInfoServiceContract.ts';
import { SERVICE_KEY } from '../../contracts/pathInfos.ts';
import { preferenceContract } from '../../contracts/preferenceContract.ts';
import { variantContract } from '../../contracts/variantContract.ts';
import { temporaryStore } from '../../store/temporaryStore.ts';

const CLOCK = { now: () => 0, random: () => 0.5 };

const memory = () => new MemoryPathInfoService();

const SERVICES: Readonly<Record<string, () => VariantService>> = {
  cache: () => new CachePathInfoService({ near: memory(), far: memory(), now: () => 0 }),
  lru: () => new LruPathInfoService(memory(), { maxEntries: 50, now: () => 0 }),
  priority: () => new PriorityPathInfoService([memory(), memory()], new CoolDown(CLOCK)),
  'signing in': () => new SigningPathInfoService(memory(), { secretKey: SERVICE_KEY, when: 'in' }),
  'signing out': () =>
    new SigningPathInfoService(memory(), { secretKey: SERVICE_KEY, when: 'out' }),
  'cache of lru and priority': () =>
    new CachePathInfoService({
      near: new LruPathInfoService(memory(), { maxEntries: 5, now: () => 0 }),
      far: new PriorityPathInfoService([memory(), memory()], new CoolDown(CLOCK)),
      now: () => 0,
    }),
};

for (const [name, make] of Object.entries(SERVICES)) {
  const open = async () => ({ service: make(), async [Symbol.asyncDispose]() {} });
  pathInfoServiceContract(name, open);
  currentViewContract(name, 50, open);
  variantContract(name, open);
  preferenceContract(name, 50, open);
}

const cacheOfStore = async () => {
  const opened = await temporaryStore();
  const service = new CachePathInfoService({
    near: opened.store.pathInfos,
    far: memory(),
    now: () => 0,
  });
  return { service, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
};
pathInfoServiceContract('cache before the embedded store', cacheOfStore);
variantContract('cache before the embedded store', cacheOfStore);
