import { expect, test } from 'vitest';
import { clientAddress, clientKey } from '../../src/server/clientAddress.ts';

test.each([
  ['IPv4', '192.0.2.7', '192.0.2.7'],
  ['IPv4 on an IPv6 socket', '::ffff:192.0.2.7', '192.0.2.7'],
  ['IPv6', '2001:db8::1', '2001:db8::1'],
  ['nobody any more', undefined, undefined],
])('the address of a client: %s', (_, remoteAddress, address) => {
  expect(clientAddress({ remoteAddress })).toBe(address);
});

test.each([
  ['an IPv4 address is a client', '192.0.2.7', '192.0.2.7'],
  ['64 bits of IPv6 are one', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['zeros left out behind them', '2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['zeros left out among them', '2001:db8::3:4:5:6', '2001:db8:0:0::/64'],
  ['zeros left out across them', '2001:db8:1::5:6', '2001:db8:1:0::/64'],
  ['leading zeros', '2001:0db8:0001:0000:3:4:5:6', '2001:db8:1:0::/64'],
  ['a zone', 'fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['loopback', '::1', '0:0:0:0::/64'],
])('under which clients are counted: %s', (_, address, key) => {
  expect(clientKey(address)).toBe(key);
});
