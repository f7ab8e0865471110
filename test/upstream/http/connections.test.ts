import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import type { Answer } from '../../support/staticCache.ts';
import { HASH_PART, serve } from './scriptedServer.ts';

describe('connections are given back', () => {
  const until = new Promise<never>(() => {});
  const stalled: Answer = { pause: { at: 1000, until } };

  test.each([
    ['when a body is left before its first byte', 0],
    ['when a body is left in its middle', 1],
  ])('%s', async (_, reads) => {
    await using served = await serve(() => stalled);
    const file = await served.upstream.file('nar/large.nar');
    const iterator = file?.body[Symbol.asyncIterator]();
    for (let read = 0; read < reads; read++) await iterator?.next();
    expect(served.server.active).toBe(1);
    await iterator?.return?.();
    await vi.waitUntil(() => served.server.active === 0);
  });

  test('when a body is left while it waits', async () => {
    await using served = await serve(() => stalled);
    const file = await served.upstream.file('nar/large.nar');
    const iterator = file?.body[Symbol.asyncIterator]();
    await iterator?.next();
    const waiting = iterator?.next().catch(() => 'left');
    await iterator?.return?.();
    expect(await waiting).toBe('left');
    await vi.waitUntil(() => served.server.active === 0);
  });

  test('when a call is aborted, with its reason', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await using served = await serve(() => {
      resolve();
      return { after: until };
    });
    const reason = new Error('enough');
    const controller = new AbortController();
    const call = served.upstream.narinfo(HASH_PART, controller);
    await asked;
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await vi.waitUntil(() => served.server.active === 0);
  });

  test('when a body is aborted while it waits, with the reason', async () => {
    await using served = await serve(() => stalled);
    const reason = new Error('enough');
    const controller = new AbortController();
    const file = await served.upstream.file('nar/large.nar', controller);
    const reading = bodyOf(file);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await vi.waitUntil(() => served.server.active === 0);
    expect(served.server.requests).toHaveLength(1);
  });

  test('when an abort comes during a wait between attempts', async () => {
    const { promise: waits, resolve } = Promise.withResolvers<void>();
    await using served = await serve(
      () => {
        resolve();
        return { status: 503 };
      },
      { retry: { baseDelayMs: 1e6, maxDelayMs: 1e6, budgetMs: 1e9 } },
    );
    const reason = new Error('enough');
    const controller = new AbortController();
    const call = served.upstream.narinfo(HASH_PART, controller);
    await waits;
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test('when a file is refused for its length', async () => {
    await using served = await serve(() => stalled);
    await expect(served.upstream.file('nar/large.nar', { maxBytes: 1 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
    await vi.waitUntil(() => served.server.active === 0);
  });

  test('when the upstream is disposed of', async () => {
    await using served = await serve(() => stalled);
    const reading = bodyOf(await served.upstream.file('nar/large.nar'));
    const failed = expect(reading).rejects.toMatchObject({ facts: { kind: 'closed' } });
    await served.upstream[Symbol.asyncDispose]();
    await failed;
    await vi.waitUntil(() => served.server.active === 0);
  });

  test('and a body that nobody reads does not bring down the process', async () => {
    const unhandled = vi.fn();
    process.once('uncaughtException', unhandled);
    await using served = await serve(() => ({ truncateAt: 1000 }));
    await served.upstream.file('nar/large.nar');
    await vi.waitUntil(() => served.server.active === 0);
    await nextTurn();
    process.removeListener('uncaughtException', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});
