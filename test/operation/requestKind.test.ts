import { expect, test } from 'vitest';
import { requestKind } from '../../src/operation/requestKind.ts';

const HASH_PART = '28xg9pbw42z800jxl16n5pdxgws04qcv';
const PINNED = `/closure/${'a'.repeat(64)}`;

test.each([
  [`/${HASH_PART}.narinfo`, 'narinfo'],
  [`${PINNED}/${HASH_PART}.narinfo`, 'narinfo'],
  [`/${HASH_PART}.ls`, 'listing'],
  ['/nix-cache-info', 'cache-info'],
  [`${PINNED}/nix-cache-info`, 'cache-info'],
  ['/nar/0abc.nar', 'nar'],
  ['/nar/0abc.nar.zst', 'nar.zst'],
  [`${PINNED}/nar/0abc.nar.zst`, 'nar.zst'],
  ['/nar/snix-castore/abc', 'nar-infused'],
  [`/log/${HASH_PART}-a.drv`, 'extra'],
  [`/build-trace-v2/${HASH_PART}-a.drv/out.doi`, 'extra'],
  ['/debuginfo/ab.debug', 'extra'],
  ['/logs', 'other'],
  ['/metrics', 'operation'],
  ['/healthz', 'operation'],
  ['/readyz', 'operation'],
  ['/', 'other'],
  ['/short.narinfo', 'other'],
  ['/nar/a/b.nar', 'other'],
  [`/${'x'.repeat(100_000)}`, 'other'],
])('GET %s is %s', (path, kind) => {
  expect(requestKind({ path, method: 'GET', isGrpc: false })).toBe(kind);
});

test('what is put is an upload, and gRPC is gRPC', () => {
  expect(requestKind({ path: '/nar/x.nar', method: 'PUT', isGrpc: false })).toBe('upload');
  expect(requestKind({ path: '/a.B/C', method: 'POST', isGrpc: true })).toBe('grpc');
});
