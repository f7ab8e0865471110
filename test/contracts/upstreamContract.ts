/** What every kind of upstream does, as `src/upstream/upstream.ts` says it. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { OpenUpstreamOptions } from '../../src/upstream/openUpstream.ts';
import type { Upstream, UpstreamFile } from '../../src/upstream/upstream.ts';

/** Makes upstreams of one kind out of files; all are disposed of together. */
export interface UpstreamMaker extends AsyncDisposable {
  open(files: ReadonlyMap<string, Uint8Array>, options?: OpenUpstreamOptions): Promise<Upstream>;
}

/** The body of a file that must be there. */
export async function bodyOf(file: UpstreamFile | undefined): Promise<Buffer> {
  if (file === undefined) throw new Error('there is no such file');
  return Buffer.concat(await Array.fromAsync(file.body));
}

const HASH_PART = '0c0q04w6qj7hwn0l7p2qp4yp5b1rzxqi';
const ABSENT_HASH_PART = '11111111111111111111111111111111';
const INFO = 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n';
const NARINFO = utf8('StorePath: whatever it says\n\xff');
const LARGE = randomBytes(3 * 1024 * 1024 + 17);

const FILES: ReadonlyMap<string, Uint8Array> = new Map([
  ['nix-cache-info', utf8(INFO)],
  [`${HASH_PART}.narinfo`, NARINFO],
  ['nar/small.nar', utf8('small')],
  ['nar/empty.nar', new Uint8Array(0)],
  ['nar/large.nar', LARGE],
  ['nar/with space é.nar', utf8('odd')],
]);

function withInfo(text: string): ReadonlyMap<string, Uint8Array> {
  return new Map([...FILES, ['nix-cache-info', utf8(text)]]);
}

/** Runs the contract over one kind. */
export function describeUpstream(kind: string, make: () => Promise<UpstreamMaker>): void {
  describe(`${kind} keeps the contract of upstreams`, () => {
    let maker: UpstreamMaker;
    let upstream: Upstream;
    beforeEach(async () => {
      maker = await make();
      upstream = await maker.open(FILES);
    });
    afterEach(() => maker[Symbol.asyncDispose]());

    test('its address is absolute and without a slash at the end', () => {
      expect(upstream.url).toMatch(/^(https?|file):\/\/.*[^/]$/);
    });

    test('nix-cache-info is parsed, and the same for all who ask', async () => {
      const [first, second] = await Promise.all([upstream.cacheInfo(), upstream.cacheInfo()]);
      expect(first).toEqual({ storeDir: '/nix/store', wantMassQuery: true, priority: 30 });
      expect(second).toBe(first);
      expect(await upstream.cacheInfo()).toBe(first);
    });

    test.each([
      ['none', undefined, 'NOT_A_BINARY_CACHE'],
      ['a web page', '<!doctype html>\n<title>Log in: here</title>\n', 'NOT_A_BINARY_CACHE'],
      ['another store', 'StoreDir: /gnu/store\n', 'STORE_DIR_MISMATCH'],
      ['nonsense', 'Priority: high\n', 'CACHE_INFO_INVALID'],
      ['too long', ' '.repeat(DEFAULT_LIMITS.cacheInfoBytes + 1), 'LIMIT_EXCEEDED'],
    ])('nix-cache-info: %s', async (_, text, code) => {
      const files = new Map(text === undefined ? FILES : withInfo(text));
      if (text === undefined) files.delete('nix-cache-info');
      const bad = await maker.open(files);
      await expect(bad.cacheInfo()).rejects.toMatchObject({ code });
      await expect(bad.cacheInfo()).rejects.toMatchObject({ code }); // failures are not kept
    });

    test('nix-cache-info of another store, if that is what is wanted', async () => {
      const other = await maker.open(withInfo('StoreDir: /gnu/store\n'), {
        storeDir: '/gnu/store',
      });
      expect(await other.cacheInfo()).toMatchObject({ storeDir: '/gnu/store' });
    });

    test('a narinfo comes as it is, an absent one as undefined', async () => {
      expect(Buffer.from((await upstream.narinfo(HASH_PART)) ?? [])).toEqual(Buffer.from(NARINFO));
      expect(await upstream.narinfo(ABSENT_HASH_PART)).toBeUndefined();
    });

    test.each([
      '',
      'x',
      '../nar/small.nar',
      HASH_PART.toUpperCase(),
      `${HASH_PART}0`,
      `${HASH_PART}-n`,
    ])('a narinfo of %j is refused', async (hashPart) => {
      await expect(upstream.narinfo(hashPart)).rejects.toMatchObject({
        code: 'STORE_PATH_INVALID',
      });
    });

    test('a narinfo above the limit is refused', async () => {
      const limits = { ...DEFAULT_LIMITS, narinfoBytes: NARINFO.length };
      const exact = await maker.open(FILES, { limits });
      expect(await exact.narinfo(HASH_PART)).toHaveLength(NARINFO.length);
      const below = { ...limits, narinfoBytes: NARINFO.length - 1 };
      await expect(
        (await maker.open(FILES, { limits: below })).narinfo(HASH_PART),
      ).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit: 'narinfoBytes' } });
    });

    test.each([
      ['a path', 'nar/small.nar', 'small'],
      ['with a dot', './nar/./small.nar', 'small'],
      ['with a query', 'nar/small.nar?hash=0c0q04w6', 'small'],
      ['escaped', 'nar/%73mall.nar', 'small'],
      ['with UTF-8 escaped', 'nar/with%20space%20%C3%A9.nar', 'odd'],
      ['with UTF-8 as it is', 'nar/with space é.nar', 'odd'],
      ['empty', 'nar/empty.nar', ''],
    ])('a file: %s', async (_, url, contents) => {
      const file = await upstream.file(url);
      expect(file?.sizeBytes).toBe(contents.length);
      expect((await bodyOf(file)).toString()).toBe(contents);
    });

    test('a file of several pieces', async () => {
      const file = await upstream.file('nar/large.nar');
      expect(file?.sizeBytes).toBe(LARGE.length);
      expect((await bodyOf(file)).equals(LARGE)).toBe(true);
    });

    test.each([
      ['in a folder', 'nar/absent.nar'],
      ['in an absent folder', 'absent/small.nar'],
      ['below a file', 'nar/small.nar/x'],
      ['with a name too long for any', 'x'.repeat(5000)],
    ])('an absent file: %s', async (_, url) => {
      expect(await upstream.file(url)).toBeUndefined();
    });

    test.each([
      ['', 'UPSTREAM_URL_INVALID'],
      ['file:///etc/passwd', 'UPSTREAM_URL_FORBIDDEN'],
      ['ftp://127.0.0.1/nar/small.nar', 'UPSTREAM_URL_FORBIDDEN'],
      ['data:,small', 'UPSTREAM_URL_FORBIDDEN'],
      ['https://elsewhere.example/nar/small.nar', 'UPSTREAM_URL_FORBIDDEN'],
    ])('a file at %j is refused', async (url, code) => {
      await expect(upstream.file(url)).rejects.toMatchObject({ code });
    });

    test('maxBytes allows what is as long and refuses what is longer', async () => {
      expect(await bodyOf(await upstream.file('nar/small.nar', { maxBytes: 5 }))).toHaveLength(5);
      await expect(upstream.file('nar/small.nar', { maxBytes: 4 })).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
        facts: { limit: 'maxBytes', expected: 4, actual: 5 },
      });
    });

    test('many at the same time', async () => {
      const asked = Array.from({ length: 100 }, async (_, index) =>
        index % 2 === 0
          ? (await upstream.narinfo(HASH_PART))?.length
          : (await bodyOf(await upstream.file('nar/large.nar'))).length,
      );
      const expected = asked.map((__, index) => (index % 2 === 0 ? NARINFO.length : LARGE.length));
      expect(await Promise.all(asked)).toEqual(expected);
    });

    test('a body that is left before its first byte', async () => {
      const file = await upstream.file('nar/large.nar');
      const iterator = file?.body[Symbol.asyncIterator]();
      expect(await iterator?.return?.()).toMatchObject({ done: true });
      expect(await iterator?.next()).toMatchObject({ done: true });
    });

    test('a body that is left in its middle', async () => {
      const file = await upstream.file('nar/large.nar');
      for await (const chunk of file?.body ?? []) {
        expect(chunk.length).toBeLessThan(LARGE.length);
        break;
      }
      expect(await bodyOf(await upstream.file('nar/small.nar'))).toHaveLength(5);
    });

    test('an abort keeps its reason', async () => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(upstream.cacheInfo({ signal })).rejects.toBe(reason);
      await expect(upstream.narinfo(HASH_PART, { signal })).rejects.toBe(reason);
      await expect(upstream.file('nar/small.nar', { signal })).rejects.toBe(reason);
    });

    test('an abort in the middle of a body keeps its reason', async () => {
      const reason = new Error('enough');
      const controller = new AbortController();
      const file = await upstream.file('nar/large.nar', controller);
      const iterator = file?.body[Symbol.asyncIterator]();
      await iterator?.next();
      controller.abort(reason);
      const rest = async () => {
        while (!(await iterator?.next())?.done);
      };
      await expect(rest()).rejects.toBe(reason);
    });

    test('after disposal everything fails, bodies that are being read too', async () => {
      const file = await upstream.file('nar/large.nar');
      const iterator = file?.body[Symbol.asyncIterator]();
      await iterator?.next();
      await upstream[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      const closed = { code: 'UPSTREAM_FAILED', facts: { kind: 'closed' } };
      const rest = async () => {
        while (!(await iterator?.next())?.done);
      };
      await expect(rest()).rejects.toMatchObject(closed);
      await expect(upstream.cacheInfo()).rejects.toMatchObject(closed);
      await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject(closed);
      await expect(upstream.file('nar/small.nar')).rejects.toMatchObject(closed);
    });
  });
}
