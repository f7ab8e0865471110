/** What only gzip has: fields in headers, and readers that are lax about what follows. */
import { crc32, gzipSync } from 'node:zlib';
import { Gunzip } from 'fflate';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../src/bytes.ts';
import { noise, TEXT } from './codecs.ts';
import { decode, failure } from './collect.ts';

const HEADER_BYTES = 10;
const FLAGS_AT = 3;

/** A member whose header has all of the optional fields: extra, name, comment, checksum. */
function memberWithFields(content: Uint8Array): Uint8Array {
  const plain = gzipSync(content);
  const header = Uint8Array.from(plain.subarray(0, HEADER_BYTES));
  header[FLAGS_AT] = 0x1e;
  const fields = concatBytes([
    header,
    Uint8Array.of(3, 0),
    utf8('abc'),
    utf8('name\0'),
    utf8('a comment\0'),
  ]);
  const check = crc32(fields) & 0xffff;
  return concatBytes([
    fields,
    Uint8Array.of(check & 0xff, check >> 8),
    plain.subarray(HEADER_BYTES),
  ]);
}

describe('gzip', () => {
  it('decodes members with all fields, one after the other', async () => {
    const file = concatBytes([memberWithFields(TEXT), memberWithFields(TEXT)]);
    for (const pieceBytes of [1, file.length]) {
      expect(await decode('gzip', file, { pieceBytes })).toEqual(Buffer.concat([TEXT, TEXT]));
    }
  });

  it('agrees with fflate about many members', async () => {
    const file = concatBytes(
      Array.from({ length: 50 }, (_, i) => gzipSync(noise(i * 997), { level: i % 10 })),
    );
    const parts: Uint8Array[] = [];
    const other = new Gunzip((part) => parts.push(part));
    other.push(file, true);
    expect((await decode('gzip', file, { pieceBytes: 4096 })).equals(concatBytes(parts))).toBe(
      true,
    );
  });

  it('refuses what fflate does not check: length and checksum', async () => {
    for (const back of [1, 5]) {
      const file = Uint8Array.from(gzipSync(TEXT));
      file[file.length - back] = (file.at(-back) ?? 0) ^ 1;
      expect(await failure('gzip', file)).toMatchObject({ code: 'COMPRESSION_INVALID' });
    }
  });

  it('refuses an unknown method, and reserved flags', async () => {
    for (const [at, value] of [
      [2, 7],
      [FLAGS_AT, 0x80],
    ] as const) {
      const file = Uint8Array.from(gzipSync(TEXT));
      file[at] = value;
      expect(await failure('gzip', file)).toMatchObject({ code: 'COMPRESSION_INVALID' });
    }
  });

  it('refuses zero bytes between members', async () => {
    const member = gzipSync(TEXT);
    const error = await failure('gzip', concatBytes([member, new Uint8Array(2), member]));
    expect(error).toMatchObject({
      code: 'COMPRESSION_TRAILING',
      facts: { offset: member.length },
    });
  });
});
