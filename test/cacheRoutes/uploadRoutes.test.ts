/** Uploads: how many at once, and what is told of them. What is taken and refused: test/interop, test/ingest. */
import { expect, test } from 'vitest';
import type { CacheRequest } from '../../src/cacheRoutes/http.ts';
import type { UploadEvent } from '../../src/cacheRoutes/uploadEvent.ts';
import { UploadRoutes } from '../../src/cacheRoutes/uploadRoutes.ts';
import { NarthexError } from '../../src/errors.ts';
import { syntheticCache } from '../support/syntheticCache.ts';

/** Routes whose taker waits, and all that they tell. */
function routes(maxUploads: number, failure?: NarthexError, withExtraFiles = true) {
  const told: UploadEvent[] = [];
  const gate = Promise.withResolvers<void>();
  const upload = new UploadRoutes({
    taker: {
      async putNar(file) {
        for await (const _ of file);
        await gate.promise;
        if (failure !== undefined) throw failure;
        // only the hash's text is looked at here
        return { narHash: 'sha256:x', fileHash: 'sha256:x', fileSize: 1 } as never;
      },
      putNarInfo: async () => ({}) as never, // nothing of it is looked at
    },
    extraFiles: withExtraFiles
      ? {
          async put(_name, body) {
            for await (const _ of body);
          },
          async pathTaken() {},
        }
      : undefined,
    async checkListing() {},
    authorize: (header) => (header === 'token' ? 'ci' : undefined),
    others: { handle: async () => ({ status: 418, headers: {} }) },
    maxUploads,
    onUpload: (event) => told.push(event),
  });
  const put = async (path: string, bytes: Uint8Array, authorization = 'token') => {
    const request: CacheRequest = {
      method: 'PUT',
      path,
      query: new URLSearchParams(),
      headers: { authorization },
      body: (async function* () {
        yield bytes;
      })(),
    };
    const { status, headers } = await upload.handle(request);
    return { status, headers };
  };
  return { told, put, open: gate.resolve, upload };
}

const cache = await syntheticCache([{ name: 'a' }]);
const { nar, narinfo, hashPart, storePath } = cache.path('a');
const utf8 = (text: string) => Buffer.from(text);

test('beyond so many at once the next is told to come again, and then is taken', async () => {
  const { told, put, open } = routes(2);
  const first = [put('/nar/1.nar', nar), put('/nar/2.nar', nar)];
  expect(await put('/nar/3.nar', nar)).toMatchObject({
    status: 503,
    headers: { 'retry-after': '10' },
  });
  expect(told.filter(({ type }) => type === 'refused')).toEqual([
    { type: 'refused', file: 'nar', uploader: 'ci', code: 'BUSY' },
  ]);
  open();
  for (const answer of await Promise.all(first)) expect(answer.status).toBe(201);
  expect(await put('/nar/3.nar', nar)).toMatchObject({ status: 201 });
});

test('who may not upload takes no place', async () => {
  const { told, put } = routes(0);
  expect(await put('/nar/1.nar', nar, 'wrong')).toMatchObject({ status: 401 });
  expect(told).toEqual([
    { type: 'refused', file: 'nar', uploader: undefined, code: 'UNAUTHENTICATED' },
  ]);
});

test('what is taken is told with its name and who sent it', async () => {
  const { told, put, open } = routes(1);
  open();
  await put('/nar/1.nar', nar);
  await put(`/${hashPart}.narinfo`, utf8(narinfo));
  const around = (event: UploadEvent) => [{ type: 'begun' }, event, { type: 'ended' }];
  expect(told).toEqual([
    ...around({ type: 'taken', file: 'nar', uploader: 'ci', name: 'sha256:x' }),
    ...around({ type: 'taken', file: 'narinfo', uploader: 'ci', name: storePath }),
  ]);
});

const LOG = `log/${'0'.repeat(32)}-a.drv`;

test('so are listings and extra files, by their paths', async () => {
  const { told, put } = routes(1);
  for (const path of [`${hashPart}.ls`, LOG]) {
    expect(await put(`/${path}`, utf8('x'))).toMatchObject({ status: 201 });
  }
  expect(told.filter(({ type }) => type === 'taken')).toEqual([
    { type: 'taken', file: 'listing', uploader: 'ci', name: `${hashPart}.ls` },
    { type: 'taken', file: 'log', uploader: 'ci', name: LOG },
  ]);
});

test('what is not taken takes no place', async () => {
  const { told, put } = routes(1, undefined, false);
  for (const path of [LOG, 'nix-cache-info', 'nar/../x.nar']) {
    expect(await put(`/${path}`, utf8('x'))).toMatchObject({ status: 405 });
  }
  expect(told).toEqual([]);
});

test.each([
  ['the fault of the uploader', new NarthexError('NAR_INVALID', 'x')],
  ['ours', new NarthexError('STORE_FAILED', 'x')],
])('a failure gives the place back, and is told with its code: %s', async (_, failure) => {
  const { told, put, open } = routes(1, failure);
  open();
  await put('/nar/1.nar', nar).catch(() => {});
  expect(told).toEqual([
    { type: 'begun' },
    { type: 'refused', file: 'nar', uploader: 'ci', code: failure.code },
    { type: 'ended' },
  ]);
});
