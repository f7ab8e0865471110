import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { type CacheInfo, parseCacheInfo, renderCacheInfo } from '../../src/narinfo/cacheInfo.ts';
import { thrownBy } from '../support/errors.ts';

const parse = (text: string) => parseCacheInfo(utf8(text));
const NOTHING: CacheInfo = { storeDir: '/nix/store', wantMassQuery: false, priority: undefined };

describe('parseCacheInfo', () => {
  it.each<[string, string, Partial<CacheInfo>]>([
    ['nothing', '', {}],
    [
      'what cache.nixos.org says',
      'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n',
      {
        wantMassQuery: true,
        priority: 40,
      },
    ],
    ['only a store', 'StoreDir: /nix/store\n', {}],
    ['another store', 'StoreDir: /gnu/store\n', { storeDir: '/gnu/store' }],
    ['no mass query', 'WantMassQuery: 0\n', {}],
    ['a mass query in words', 'WantMassQuery: true\n', {}],
    ['CRLF', 'StoreDir: /nix/store\r\nPriority: 30\r\n', { priority: 30 }],
    [
      'no space, or many',
      'Priority:7\nWantMassQuery:   1  \n',
      { priority: 7, wantMassQuery: true },
    ],
    ['no final line feed', 'Priority: 7', { priority: 7 }],
    ['lines without a colon', '\nhello\nPriority: 7\n', { priority: 7 }],
    ['unknown keys', 'Kubernetes: yes\nPriority: 7\n', { priority: 7 }],
    ['keys twice', 'Priority: 7\nPriority: 8\n', { priority: 8 }],
    ['a negative priority', 'Priority: -5\n', { priority: -5 }],
    ['a store beyond ASCII', 'StoreDir: /nïx/store\n', { storeDir: '/nïx/store' }],
  ])('accepts %s', (_, text, expected) => {
    expect(parse(text)).toEqual({ ...NOTHING, ...expected });
  });

  it.each([
    ['a priority in words', 'Priority: high\n', { field: 'Priority', line: 1, actual: 'high' }],
    ['an empty priority', '\nPriority:\n', { field: 'Priority', line: 2, actual: '' }],
    ['a fraction', 'Priority: 1.5\n', { actual: '1.5' }],
    ['a priority beyond int', 'Priority: 2147483648\n', { actual: '2147483648' }],
    ['an empty store', 'StoreDir: \n', { field: 'StoreDir', line: 1 }],
    ['a relative store', 'StoreDir: nix/store\n', { actual: 'nix/store' }],
    ['a control character', 'StoreDir: /nix/\x1b[2Jstore\n', { field: 'StoreDir' }],
  ])('refuses %s', (_, text, facts) => {
    const url = 'http://cache.example/nix-cache-info';
    expect(thrownBy(() => parseCacheInfo(utf8(text), { url }))).toMatchObject({
      code: 'CACHE_INFO_INVALID',
      facts: { ...facts, url },
    });
  });

  it('refuses a store that is not UTF-8, and ignores such bytes elsewhere', () => {
    const bytes = (text: string) => Buffer.from(text, 'latin1');
    expect(thrownBy(() => parseCacheInfo(bytes('StoreDir: /\xff\n'))).code).toBe(
      'CACHE_INFO_INVALID',
    );
    expect(parseCacheInfo(bytes('X\xff: \xfe\n'))).toEqual(NOTHING);
  });

  it('is limited', () => {
    const limits = { ...DEFAULT_LIMITS, cacheInfoBytes: 4 };
    expect(parseCacheInfo(utf8('X: \n'), { limits })).toEqual(NOTHING);
    expect(thrownBy(() => parseCacheInfo(utf8('XX: \n'), { limits }))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'cacheInfoBytes', actual: 5 },
    });
  });
});

describe('renderCacheInfo', () => {
  it('writes as Nix does', () => {
    expect(renderCacheInfo({ storeDir: '/nix/store', wantMassQuery: true, priority: 40 })).toBe(
      'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n',
    );
    expect(renderCacheInfo(NOTHING)).toBe('StoreDir: /nix/store\nWantMassQuery: 0\n');
  });

  it('writes what parseCacheInfo reads', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.option(fc.integer(), { nil: undefined }), (mass, priority) => {
        const info: CacheInfo = { storeDir: '/nix/store', wantMassQuery: mass, priority };
        expect(parse(renderCacheInfo(info))).toEqual(info);
      }),
    );
  });
});
