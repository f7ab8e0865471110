import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { type Answer, serveStatic } from './staticCache.ts';

const BODY = Buffer.from('0123456789');
const files = new Map([['nar/x.nar', BODY]]);

async function get(url: string, headers: Record<string, string> = {}) {
  const response = await request(url, { headers });
  const body = Buffer.from(await response.body.arrayBuffer());
  return { status: response.statusCode, headers: response.headers, body };
}

describe('serveStatic', () => {
  it('serves files and records requests', async () => {
    await using server = await serveStatic(files, { basePath: '/cache' });
    const { status, headers, body } = await get(`${server.url}/nar/x.nar?a=b`);
    expect({ status, body }).toEqual({ status: 200, body: BODY });
    expect(headers['content-length']).toBe('10');
    expect((await get(`${server.url}/absent`)).status).toBe(404);
    expect((await get(`http://127.0.0.1:${server.port}/nar/x.nar`)).status).toBe(404);
    expect(server.requests[0]).toMatchObject({ path: 'nar/x.nar', query: '?a=b', status: 200 });
    expect(server.paths(/nar$/)).toEqual(['nar/x.nar', '/nar/x.nar']);
  });

  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['lines=1-2', 200, '0123456789', undefined],
  ])('Range: %s', async (range, status, text, contentRange) => {
    await using server = await serveStatic(files);
    const answer = await get(`${server.url}/nar/x.nar`, { range });
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toBe(text);
    expect(answer.headers['content-range']).toBe(contentRange);
  });

  it('heeds If-Range', async () => {
    await using server = await serveStatic(files);
    const url = `${server.url}/nar/x.nar`;
    const etag = String((await get(url)).headers['etag']);
    const range = 'bytes=9-';
    expect((await get(url, { range, 'if-range': etag })).status).toBe(206);
    expect((await get(url, { range, 'if-range': '"other"' })).status).toBe(200);
  });

  it.each<[string, Answer]>([
    ['truncated', { truncateAt: 4 }],
    ['truncated before the first byte', { truncateAt: 0 }],
    ['reset', { reset: true }],
  ])('fails the client: %s', async (_name, answer) => {
    await using server = await serveStatic(files, { respond: () => answer });
    await expect(get(`${server.url}/nar/x.nar`)).rejects.toThrow();
    expect(server.requests[0]?.complete).toBe(false);
  });

  it('delivers what comes before a truncation', async () => {
    await using server = await serveStatic(files, { respond: () => ({ truncateAt: 4 }) });
    const { body } = await request(`${server.url}/nar/x.nar`);
    let received = '';
    const read = async () => {
      for await (const chunk of body) received += String(chunk);
    };
    await expect(read()).rejects.toThrow();
    expect(received).toBe('0123');
  });

  it.each<[string, Answer, number, string]>([
    ['another status', { status: 503 }, 503, '0123456789'],
    ['another body', { body: 'other' }, 200, 'other'],
    ['more bytes', { extra: Buffer.from('!') }, 200, '0123456789!'],
    ['chunked', { chunked: true }, 200, '0123456789'],
    ['a redirect', { status: 302, headers: { location: '/' }, body: '' }, 302, ''],
  ])('answers with %s', async (_name, answer, status, text) => {
    await using server = await serveStatic(files, { respond: () => answer });
    const { status: actual, body } = await get(`${server.url}/nar/x.nar`);
    expect({ status: actual, text: body.toString() }).toEqual({ status, text });
  });

  it('holds answers back and counts those under way', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const everyone = Promise.withResolvers<void>();
    let arrived = 0;
    await using server = await serveStatic(files, {
      respond: () => {
        arrived += 1;
        if (arrived === 3) everyone.resolve();
        return { after: promise };
      },
    });
    const answers = Array.from({ length: 3 }, () => get(`${server.url}/nar/x.nar`));
    await everyone.promise;
    expect(server.active).toBe(3);
    resolve();
    await Promise.all(answers);
    expect(server.peakActive).toBe(3);
  });

  it('stops in the middle of a body', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using server = await serveStatic(files, {
      respond: () => ({ pause: { at: 3, until: promise } }),
    });
    const { body } = await request(`${server.url}/nar/x.nar`);
    const chunks = body[Symbol.asyncIterator]();
    expect(String((await chunks.next()).value)).toBe('012');
    resolve();
    expect(String((await chunks.next()).value)).toBe('3456789');
  });
});
