import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { describe, expect, test } from 'vitest';
import { AddressGuard, addressClass } from '../../../src/upstream/http/addressGuard.ts';

test.each([
  ['1.1.1.1', 'public'],
  ['126.255.255.255', 'public'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.255', 'loopback'],
  ['128.0.0.0', 'public'],
  ['10.0.0.1', 'private'],
  ['172.15.255.255', 'public'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'public'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['100.128.0.0', 'public'],
  ['169.254.169.254', 'linkLocal'],
  ['0.0.0.0', 'reserved'],
  ['0.1.2.3', 'reserved'],
  ['224.0.0.1', 'reserved'],
  ['255.255.255.255', 'reserved'],
  ['2606:4700:4700::1111', 'public'],
  ['::1', 'loopback'],
  ['::', 'reserved'],
  ['fe80::1', 'linkLocal'],
  ['fe80::1%eth0', 'linkLocal'],
  ['fd00:ec2::254', 'private'],
  ['ff02::1', 'reserved'],
  // IPv4 in IPv6: mapped, NAT64, 6to4, compatible
  ['::ffff:1.1.1.1', 'public'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['::ffff:a9fe:a9fe', 'linkLocal'],
  ['::ffff:0.0.0.0', 'reserved'],
  ['64:ff9b::101:101', 'public'],
  ['64:ff9b::a00:1', 'private'],
  ['64:ff9b::7f00:1', 'loopback'],
  ['2002:101:101::', 'public'],
  ['2002:c0a8:101::1', 'private'],
  ['64:ff9b:1::7f00:1', 'private'],
  ['::ffff:0:127.0.0.1', 'reserved'],
  ['2001:0:102:304::', 'reserved'], // Teredo
  ['2001:200::1', 'public'],
  ['192.88.99.1', 'reserved'],
  ['::7f00:1', 'loopback'],
  ['::a9fe:a9fe', 'linkLocal'],
])('%s is %s', (address, expected) => {
  expect(addressClass(address)).toBe(expected);
});

/** Resolves as a table says; a host with several lists goes from one to the next. */
function tableResolver(table: Record<string, readonly (readonly string[])[]>) {
  const asked = new Map<string, number>();
  return (
    hostname: string,
    _options: object,
    callback: (error: Error | null, addresses: LookupAddress[]) => void,
  ) => {
    const count = asked.get(hostname) ?? 0;
    asked.set(hostname, count + 1);
    const lists = table[hostname] ?? [];
    const list = lists[Math.min(count, lists.length - 1)];
    if (list === undefined) callback(new Error('ENOTFOUND'), []);
    else
      callback(
        null,
        list.map((address) => ({ address, family: isIP(address) })),
      );
  };
}

function lookup(guard: AddressGuard, hostname: string, all = true): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup(hostname, { all }, (error, address) => (error ? reject(error) : resolve(address)));
  });
}

describe('a URL with an address', () => {
  test.each([
    ['1.1.1.1', 'http://8.8.8.8/', true],
    ['1.1.1.1', 'http://127.0.0.1/', false],
    ['1.1.1.1', 'http://[::1]/', false],
    ['1.1.1.1', 'http://2130706433/', false], // 127.0.0.1 as one number
    ['1.1.1.1', 'http://0x7f.1/', false],
    ['1.1.1.1', 'http://[::ffff:169.254.169.254]/', false],
    ['127.0.0.1', 'http://127.0.0.1:8080/', true],
    ['127.0.0.1', 'http://[::1]/', true],
    ['127.0.0.1', 'http://8.8.8.8/', true],
    ['127.0.0.1', 'http://169.254.169.254/', false],
    ['127.0.0.1', 'http://10.0.0.1/', false],
    ['localhost', 'http://127.0.0.1/', true],
    ['::1', 'http://127.0.0.1/', true],
    ['10.0.0.1', 'http://10.0.0.2/', true],
    ['10.0.0.1', 'http://127.0.0.1/', false],
    ['cache.example', 'http://10.0.0.1/', false],
    ['1.1.1.1', 'http://name.example/', true], // judged when it is resolved
  ])('from %s to %s: %s', (host, url, allowed) => {
    const check = () => new AddressGuard(host).check(new URL(url));
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: 'UPSTREAM_URL_FORBIDDEN' }));
  });
});

describe('a host name', () => {
  test.each([
    ['public', [['1.1.1.1']], [['8.8.8.8']], true],
    ['private from public', [['1.1.1.1']], [['10.0.0.1']], false],
    ['private from private', [['10.0.0.1']], [['192.168.0.1']], true],
    ['loopback from private', [['10.0.0.1']], [['127.0.0.1']], false],
    ['metadata from loopback', [['127.0.0.1']], [['169.254.169.254']], false],
  ])('%s', async (_, base, other, allowed) => {
    const guard = new AddressGuard('base.example', tableResolver({ 'base.example': base, other }));
    await lookup(guard, 'base.example');
    if (allowed) expect(await lookup(guard, 'other')).toHaveLength(1);
    else {
      await expect(lookup(guard, 'other')).rejects.toMatchObject({
        code: 'UPSTREAM_URL_FORBIDDEN',
      });
    }
  });

  test('that resolves otherwise the second time is refused', async () => {
    const resolver = tableResolver({ 'base.example': [['1.1.1.1'], ['127.0.0.1']] });
    const guard = new AddressGuard('base.example', resolver);
    expect(await lookup(guard, 'base.example')).toHaveLength(1);
    await expect(lookup(guard, 'base.example')).rejects.toMatchObject({
      code: 'UPSTREAM_URL_FORBIDDEN',
      facts: { addresses: ['127.0.0.1'] },
    });
  });

  test('keeps the allowed ones of its addresses', async () => {
    const guard = new AddressGuard('1.1.1.1', tableResolver({ other: [['10.0.0.1', '8.8.8.8']] }));
    expect(await lookup(guard, 'other')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(await lookup(guard, 'other', false)).toBe('8.8.8.8');
  });

  test('without an address fails as the resolver says', async () => {
    await expect(lookup(new AddressGuard('1.1.1.1', tableResolver({})), 'x')).rejects.toThrow(
      'ENOTFOUND',
    );
  });
});
