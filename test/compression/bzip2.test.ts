/** What only bzip2 has: blocks of bits, wrong in every field. */
import { describe, expect, it } from 'vitest';
import { BitReader } from '../../src/compression/bitReader.ts';
import { failure } from './collect.ts';

/** Numbers with how many bits each takes. */
type Fields = readonly (readonly [value: number, bits: number])[];

const BLOCK_MAGIC: Fields = [
  [0x314159, 24],
  [0x265359, 24],
];
const CRC: Fields = [
  [0, 16],
  [0, 16],
];
const HEADER: Fields = [...BLOCK_MAGIC, ...CRC, [0, 1], [0, 24]];
/** Only the byte 0 is used, so the symbols are RUNA, RUNB and the end. */
const ONE_BYTE: Fields = [
  [0x8000, 16],
  [0x8000, 16],
];
const TWO_TABLES: Fields = [
  [2, 3],
  [1, 15],
  [0, 1],
];
/** Codes 0, 10 and 11. */
const TABLE: Fields = [
  [1, 5],
  [0b0, 1],
  [0b100, 3],
  [0b0, 1],
];

/** A file of level 1 whose first block is this, up to where something in it is wrong. */
function file(fields: Fields): Uint8Array {
  const bits = fields.map(([value, count]) => value.toString(2).padStart(count, '0')).join('');
  const bytes = bits.match(/.{1,8}/g)?.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
  return Uint8Array.from([0x42, 0x5a, 0x68, 0x31, ...(bytes ?? [])]);
}

const repeat = (fields: Fields, count: number): Fields => new Array(count).fill(fields).flat();

describe('bzip2 refuses', () => {
  it.each<[string, Fields, string]>([
    ['randomised blocks', [...BLOCK_MAGIC, ...CRC, [1, 1]], 'randomised'],
    ['a single table', [...HEADER, ...ONE_BYTE, [1, 3]], 'tables'],
    ['seven tables', [...HEADER, ...ONE_BYTE, [7, 3]], 'tables'],
    ['a selector of no table', [...HEADER, ...ONE_BYTE, [2, 3], [1, 15], [0b11, 2]], 'selectors'],
    ['codes of no bits', [...HEADER, ...ONE_BYTE, ...TWO_TABLES, [0, 5], [0, 1]], 'lengths'],
    ['codes of 21 bits', [...HEADER, ...ONE_BYTE, ...TWO_TABLES, [20, 5], [0b10, 2]], 'lengths'],
    [
      'more codes than there are bits for',
      [
        ...HEADER,
        ...ONE_BYTE,
        ...TWO_TABLES,
        ...repeat(
          [
            [1, 5],
            [0, 3],
          ],
          2,
        ),
      ],
      'lengths',
    ],
    [
      'a run whose length overflows 32 bits',
      [...HEADER, ...ONE_BYTE, ...TWO_TABLES, ...TABLE, ...TABLE, [0, 49]],
      'a run',
    ],
    [
      'more symbols than selectors',
      [
        ...HEADER,
        ...ONE_BYTE,
        ...TWO_TABLES,
        ...TABLE,
        ...TABLE,
        ...repeat([[0b10, 2]], 12),
        [0, 38],
      ],
      'a run',
    ],
    [
      'an origin outside of the block',
      [
        ...BLOCK_MAGIC,
        ...CRC,
        [0, 1],
        [1, 24],
        ...ONE_BYTE,
        ...TWO_TABLES,
        ...TABLE,
        ...TABLE,
        [0b011, 3],
      ],
      'origin',
    ],
    [
      'an empty block',
      [...HEADER, ...ONE_BYTE, ...TWO_TABLES, ...TABLE, ...TABLE, [0b11, 2]],
      'origin',
    ],
  ])('%s', async (_, fields, reason) => {
    // enough behind it that it is not just truncated
    const error = await failure('bzip2', file([...fields, ...repeat([[0, 8]], 100)]));
    expect(error.code).toBe('COMPRESSION_INVALID');
    expect(error.message).toContain(reason);
  });

  it('lengths that go to and fro without end', async () => {
    const endless = file([
      ...HEADER,
      ...ONE_BYTE,
      ...TWO_TABLES,
      [2, 5],
      ...repeat([[0b10111011, 8]], 400_000),
    ]);
    const error = await failure('bzip2', endless);
    expect(error.code).toBe('COMPRESSION_INVALID');
    expect(error.message).toContain('too long');
  });

  it('a level that is none', async () => {
    for (const level of [0x30, 0x3a, 0x00]) {
      const error = await failure('bzip2', Uint8Array.of(0x42, 0x5a, 0x68, level));
      expect(error.code).toBe('COMPRESSION_INVALID');
    }
  });
});

describe('BitReader', () => {
  it('reads across bytes, from any bit on, and past the end', () => {
    const bits = new BitReader(Uint8Array.of(0b1010_0101, 0xff, 0x00, 0x12, 0x34), 3);
    expect(bits.position).toBe(3);
    expect(bits.peek(5)).toBe(0b00101);
    expect(bits.read(2)).toBe(0b00);
    expect(bits.read(24)).toBe(0b101_11111111_00000000_00010);
    expect(bits.position).toBe(29);
    expect(bits.read(11)).toBe(0b010_00110100);
    expect(bits.overrun).toBe(false);
    expect(bits.peek(8)).toBe(0);
    expect(bits.overrun).toBe(false);
    expect(bits.read(1)).toBe(0);
    expect(bits.overrun).toBe(true);
  });

  it('reads 32 bits as a signed number', () => {
    const bits = new BitReader(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0x80), 7);
    expect(bits.read32()).toBe(-64);
  });
});
