import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  LENGTH_DELIMITED,
  ProtobufReader,
  ProtobufWriter,
  VARINT,
  varintBytes,
} from '../../src/castore/protobuf.ts';
import { thrownBy } from '../support/errors.ts';

const reader = (...bytes: number[]) => new ProtobufReader(Uint8Array.from(bytes), 'Test');

describe('varints', () => {
  test.each([
    [1, [0x01]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [300, [0xac, 0x02]],
    [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
    [2 ** 53 - 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('%d', (value, bytes) => {
    expect([...new ProtobufWriter().uint(1, value).finish()]).toEqual([0x08, ...bytes]);
    expect(reader(...bytes).uint()).toBe(value);
    expect(varintBytes(value)).toBe(bytes.length);
  });

  test('round-trip', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const encoded = new ProtobufWriter().uint(1, value).finish();
        if (value === 0) expect(encoded).toHaveLength(0);
        else expect(new ProtobufReader(encoded.subarray(1), 'Test').uint()).toBe(value);
      }),
    );
  });

  test.each([
    ['cut off', [0x80]],
    ['missing', []],
    ['longer than need be', [0x80, 0x00]],
    ['2^53', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['of ten bytes', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ])('%s are refused', (_, bytes) => {
    expect(thrownBy(() => reader(...bytes).uint()).code).toBe('DIRECTORY_INVALID');
  });
});

test('defaults are left out, but not an empty message', () => {
  const encoded = new ProtobufWriter()
    .uint(1, 0)
    .bytes(2, Uint8Array.of())
    .message(3, Uint8Array.of())
    .finish();
  expect([...encoded]).toEqual([0x1a, 0x00]);
});

test('fields are read one after the other', () => {
  const encoded = new ProtobufWriter().bytes(1, Uint8Array.of(7, 8)).uint(20, 5).finish();
  const fields = new ProtobufReader(encoded, 'Test');
  expect(fields.tag()).toEqual({ field: 1, wireType: LENGTH_DELIMITED });
  expect([...fields.bytes()]).toEqual([7, 8]);
  expect(fields.done).toBe(false);
  expect(fields.tag()).toEqual({ field: 20, wireType: VARINT });
  expect(fields.uint()).toBe(5);
  expect(fields.done).toBe(true);
});

test('a field that is cut off names the offset', () => {
  const error = thrownBy(() => reader(0x05, 1, 2).bytes());
  expect(error).toMatchObject({ code: 'DIRECTORY_INVALID', facts: { offset: 1 } });
});
