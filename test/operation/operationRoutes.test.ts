/** Health, readiness and metrics as routes. */
import { describe, expect, test } from 'vitest';
import type { CacheRequest } from '../../src/cacheRoutes/http.ts';
import {
  OperationRoutes,
  type OperationRoutesOptions,
} from '../../src/operation/operationRoutes.ts';
import { Readiness, type ReadinessCheck } from '../../src/operation/readiness.ts';

const others = { handle: async () => ({ status: 418, headers: {} }) };
const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'a 1\n' };
const well: ReadinessCheck = { name: 'store', check: async () => {} };
const ill: ReadinessCheck = { name: 'store', check: () => Promise.reject(new Error('gone')) };

async function ask(options: Partial<OperationRoutesOptions>, path: string, method = 'GET') {
  const readiness = new Readiness({ checks: [well] });
  const routes = new OperationRoutes({ readiness, others, ...options });
  const request: CacheRequest = { method, path, query: new URLSearchParams(), headers: {} };
  const { status, headers, body } = await routes.handle(request);
  const text = body instanceof Uint8Array ? Buffer.from(body).toString() : undefined;
  return { status, headers, text };
}

test('/healthz: whoever answers lives', async () => {
  const readiness = new Readiness({ checks: [ill] });
  readiness.drain();
  expect(await ask({ readiness }, '/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
});

describe('/readyz', () => {
  test('all is well', async () => {
    expect(await ask({}, '/readyz')).toMatchObject({
      status: 200,
      text: 'ready\n',
      headers: { 'cache-control': 'no-store' },
    });
  });

  test('a check fails: 503, and who asks is told no more unless it is an operator', async () => {
    const failures: unknown[] = [];
    const readiness = new Readiness({
      checks: [ill, { ...well, name: 'other' }],
      notes: () => ['upstream http://x: 2xx, 3 s ago'],
      onFailure: (name, error) => failures.push([name, error]),
    });
    expect(await ask({ readiness }, '/readyz')).toMatchObject({ status: 503, text: 'not ready\n' });
    expect(await ask({ readiness, details: true }, '/readyz')).toMatchObject({
      status: 503,
      text: 'not ready\nstore: failed\nother: ok\nupstream http://x: 2xx, 3 s ago\n',
    });
    expect(failures).toHaveLength(2);
    expect(failures[0]).toEqual(['store', new Error('gone')]);
  });

  test('what is only noted decides nothing', async () => {
    const readiness = new Readiness({ checks: [well], notes: () => ['upstream: failed'] });
    expect(await ask({ readiness, details: true }, '/readyz')).toMatchObject({
      status: 200,
      text: 'ready\nstore: ok\nupstream: failed\n',
    });
  });

  test('before the end', async () => {
    const readiness = new Readiness({ checks: [well] });
    readiness.drain();
    expect(readiness.draining.aborted).toBe(true);
    expect(await ask({ readiness, details: true }, '/readyz')).toMatchObject({
      status: 503,
      text: 'not ready\ndraining\nstore: ok\n',
    });
  });
});

test('/metrics where there are some; else it is nothing special', async () => {
  expect(await ask({ metrics }, '/metrics')).toMatchObject({
    status: 200,
    text: 'a 1\n',
    headers: { 'content-type': metrics.contentType },
  });
  expect(await ask({}, '/metrics')).toMatchObject({ status: 418 });
});

test.each(['/healthz', '/readyz', '/metrics'])(
  '%s takes no writes, and answers HEAD',
  async (path) => {
    expect(await ask({ metrics }, path, 'PUT')).toMatchObject({ status: 405 });
    expect(await ask({ metrics }, path, 'HEAD')).toMatchObject({ status: 200, text: undefined });
  },
);

test('all else is passed on', async () => {
  expect(await ask({ metrics }, '/readyz/')).toMatchObject({ status: 418 });
});
