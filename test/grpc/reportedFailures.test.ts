/** Which failed calls are told of: those at which no client is at fault. */
import { expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { GrpcPathInfoService } from '../../src/grpc/store/grpcPathInfoService.ts';
import { storeServices } from '../../src/grpc/store/storeServices.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { loopback } from './loopback.ts';

/** Asks a peer for a path, and gives what the peer has told of. */
async function reportedBy(get: PathInfoService['get']): Promise<unknown[]> {
  const reported: unknown[] = [];
  const pathInfoService = new MemoryPathInfoService();
  pathInfoService.get = get;
  const measureNar = () => Promise.reject(new Error('nothing is measured'));
  await using peer = await loopback({
    services: [storeServices({ pathInfoService, measureNar })],
    reportError: (error, method) => reported.push([method, error]),
  });
  const service = new GrpcPathInfoService(peer.channel, { trust: 'peer' });
  await service.get(new Uint8Array(20)).catch(() => undefined);
  return reported;
}

test.each<[what: string, error: Error]>([
  ['a store that is damaged', new NarthexError('STORE_INVALID', 'a record is gone')],
  ['a store that cannot be read', new NarthexError('STORE_FAILED', 'no disk')],
  ['an upstream that is down', new NarthexError('UPSTREAM_FAILED', 'no answer')],
  ['a fault of ours', new TypeError('undefined is not a function')],
])('%s is told of', async (_, error) => {
  const get = () => Promise.reject(error);
  expect(await reportedBy(get)).toEqual([['narthex.store.v1.VariantService/GetCurrent', error]]);
});

test.each<[what: string, get: PathInfoService['get']]>([
  ['a path that is not here', async () => undefined],
  ['what is refused', () => Promise.reject(new NarthexError('READ_ONLY', 'no'))],
])('%s is nothing to tell of', async (_, get) => {
  expect(await reportedBy(get)).toEqual([]);
});
