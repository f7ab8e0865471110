import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { BodiesInFlight } from '../../src/server/bodiesInFlight.ts';
import { rawClient, readAll, serve, streamed } from './testServer.ts';

describe('places', () => {
  const never = new Promise<void>(() => {});

  test('are given back', () => {
    const bodies = new BodiesInFlight({ maxBodies: 1 });
    const slot = bodies.admit(() => {});
    expect(bodies.admit(() => {})).toBeUndefined();
    slot?.[Symbol.dispose]();
    slot?.[Symbol.dispose]();
    expect(bodies.admit(() => {})).toBeDefined();
    expect(bodies.admit(() => {})).toBeUndefined();
  });

  test('are taken from who waits longest for a client', () => {
    const given: string[] = [];
    const bodies = new BodiesInFlight({ maxBodies: 3, stalledForMs: 0 });
    const admit = (name: string) => bodies.admit(() => given.push(name));
    const [first, , third] = [admit('first'), admit('second'), admit('third')];
    void third?.wait(never);
    void first?.wait(never);
    expect(admit('fourth')).toBeDefined();
    expect(admit('fifth')).toBeDefined();
    expect(admit('sixth')).toBeUndefined(); // the second waits for nothing
    expect(given).toEqual(['third', 'first']);
  });

  test('are for calls of gRPC up to a half', () => {
    const bodies = new BodiesInFlight({ maxBodies: 4 });
    const call = bodies.admitCall();
    expect(bodies.admitCall()).toBeDefined();
    expect(bodies.admitCall()).toBeUndefined();
    expect(bodies.figures()).toMatchObject({ inFlight: 2, refused: 1 });
    call?.[Symbol.dispose]();
    expect(bodies.admitCall()).toBeDefined();
    for (const _ of [1, 2]) expect(bodies.admit(() => {})).toBeDefined();
    expect(bodies.admit(() => {})).toBeUndefined();
  });

  test('are not taken from who has begun to wait only now, nor from who goes on', async () => {
    const bodies = new BodiesInFlight({ maxBodies: 1, stalledForMs: 3_600_000 });
    const slot = bodies.admit(() => {});
    void slot?.wait(never);
    expect(bodies.admit(() => {})).toBeUndefined();

    const patient = new BodiesInFlight({ maxBodies: 1, stalledForMs: 0 });
    await patient.admit(() => {})?.wait(Promise.resolve());
    expect(patient.admit(() => {})).toBeUndefined();
  });
});

describe('a server without room', () => {
  const endless = { maxBodies: 1 };
  const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(1024 * 1024);
  }

  test('says so, and has room again afterwards', async () => {
    const goOn = Promise.withResolvers<void>();
    await using server = await serve(({ path }) => {
      if (path !== '/first') return streamed(['x'], 1);
      async function* body() {
        yield Buffer.from('a');
        await goOn.promise;
      }
      return { status: 200, headers: {}, body: body() };
    }, endless);
    const first = await fetch(`${server.url}/first`);
    const refused = await fetch(server.url);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    goOn.resolve();
    expect(await first.text()).toBe('a');
    expect((await fetch(server.url)).status).toBe(200);
  });

  test('gives up a client that takes nothing', async () => {
    await using server = await serve(
      ({ path }) =>
        path === '/x' ? streamed(['x'], 1) : { status: 200, headers: {}, body: pieces() },
      { ...endless, stalledForMs: 0 },
    );
    const stalled = await rawClient(server.port, request);
    await once(stalled, 'readable'); // and reads no more
    const closed = once(stalled, 'close');
    // until it has come to wait for its client
    let status = 503;
    while (status === 503) {
      const response = await fetch(`${server.url}/x`);
      await response.text();
      status = response.status;
    }
    expect(status).toBe(200);
    stalled.on('error', () => {}).resume();
    await closed;
    expect(server.reported).toEqual([]);
    expect(await readAll(await rawClient(server.port, request.replace('/', '/x')))).toMatch(/x$/);
  });
});
